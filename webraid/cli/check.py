"""check: is everything there, and what it should be."""

from __future__ import annotations

import math
import re
from typing import Annotated

import typer

from webraid.cli import documents
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import traffic
from webraid.errors import ConfigError

_SAMPLE = re.compile(r"(\d+(?:\.\d+)?)(%?)")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "check")(check)


def check(
    call: Invocation,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read and verify every shard.")] = False,
    sample: Annotated[
        str, typer.Option(metavar="SHARE", help="Read this share of the shards, such as 5% or 0.05.")
    ] = "",
) -> int:
    """Verify what lies on the disks.  Changes nothing there.

    Compares the disks' logs, lists every disk, compares names, sizes and hashes, reads a sample, and walks every
    snapshot.

    \b
    Example:
      webraid check --sample 5%
    """
    share = parse_share(sample) if sample else None
    with call.pool() as pool:
        with call.job("check", pool):
            result = pool.check(read_data=read_data, sample=share)
        flows = traffic(pool)
    tell = call.show if result.exit_code else call.summary  # -q hides what went as it should, nothing else
    tell(lambda: documents.check(result, flows), lambda screen: screen.checked(result, flows))
    return result.exit_code


def parse_share(text: str) -> float:
    """'5%' or '0.05' -> 0.05.  Raises ConfigError."""
    match = _SAMPLE.fullmatch(text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"{text!r} is not a share", hint="Write 5% or 0.05.")
    return value
