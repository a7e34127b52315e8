"""The one door to Dropbox's SDK, imported when first asked for: a fifth of a second that only open disks shall cost."""

from __future__ import annotations

from typing import Any

from webraid.errors import PluginMissing


def sdk() -> Any:
    """The package dropbox; it has no types.  Raises PluginMissing."""
    try:
        import dropbox  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as error:
        raise PluginMissing("dropbox needs its SDK: pipx install --force '.[all]' in the checkout") from error
    return dropbox
