"""version: of webraid and of what it is built on."""

from __future__ import annotations

import platform

import typer

from webraid import __version__
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation

ALWAYS = ("zfec", "cryptography", "blake3", "zstandard", "pyfastcdc", "msgspec")
MAYBE = ("boto3",)


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "version")(version)


def version(call: Invocation) -> None:
    """Say which versions are at work.

    Of webraid and of what it is built on: paste it into bug reports.

    \b
    Example:
      webraid version
    """
    found = {
        "webraid": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **{name: _installed(name) for name in (*ALWAYS, *MAYBE)},
        "isa-l": _isal(),
    }
    call.show(
        lambda: summary("version", **{name.replace("-", "_"): text for name, text in found.items()}),
        lambda screen: screen.pairs(list(found.items())),
    )


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
