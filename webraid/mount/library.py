"""The one door to mfusepy and, through it, to libfuse: imported when somebody mounts."""

from __future__ import annotations

from webraid.errors import PluginMissing

try:
    import mfusepy  # type: ignore[import-untyped]
except ImportError as error:
    raise PluginMissing(
        "mounting needs the library mfusepy, which is not installed",
        hint="pipx install --force '.[all]' in the checkout",
    ) from error
except (OSError, AttributeError) as error:  # it looks for libfuse when it is imported
    raise PluginMissing(
        f"mounting needs libfuse, which cannot be used here: {error}", hint="On Debian and Ubuntu: apt install fuse3"
    ) from error

Operations = mfusepy.Operations
FUSE = mfusepy.FUSE
FuseOSError = mfusepy.FuseOSError
VERSION: tuple[int, int] = (mfusepy.fuse_version_major, mfusepy.fuse_version_minor)

__all__ = ["FUSE", "VERSION", "FuseOSError", "Operations"]
