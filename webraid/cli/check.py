"""check: is everything there, and what it should be; a restore drill."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents
from webraid.cli.choosing import BACKENDS
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import traffic
from webraid.cli.words import duration, many
from webraid.errors import ConfigError
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.restoring.drill import DrillResult

_SAMPLE = re.compile(r"(\d+(?:\.\d+)?)(%?)")
SOURCES = {"same": "as the file is now", "changed": "the file has changed since", "gone": "the file is gone", "": ""}


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "check")(check)


def check(
    call: Invocation,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read and verify every shard.")] = False,
    sample: Annotated[
        str, typer.Option(metavar="SHARE", help="Read this share of the shards, such as 5% or 0.05.")
    ] = "",
    subset: Annotated[
        str,
        typer.Option("--read-data-subset", metavar="PART", help="Read 1/7, or 5% or 2GiB anywhere, as restic does."),
    ] = "",
    drill: Annotated[
        int,
        typer.Option(metavar="FILES", min=0, show_default=False, help="Restore so many files for a trial instead."),
    ] = 0,
    backend: BACKENDS = None,
) -> int:
    """Verify what lies on the disks.  Changes nothing there.

    Compares the disks' logs, lists every disk, compares names, sizes and hashes, reads a sample, and walks every
    snapshot.  'webraid scrub' reads more, and over time everything.

    With --drill files are chosen by chance, restored into a temporary folder as if as many disks as may be lost were
    gone, and compared.  After the first drill that goes well 'webraid prune' may delete.

    \b
    Example:
      webraid check --sample 5%
      webraid check --drill 5
    """
    from webraid.jobs.care.ring import parse_subset

    share = parse_share(sample) if sample else None
    if subset:
        parse_subset(subset)
    if sum((read_data, bool(sample), bool(subset))) > 1:
        raise ConfigError(
            "these flags do not go together", hint="Use one of --read-data, --sample and --read-data-subset."
        )
    if drill and (read_data or sample or subset or backend):
        raise ConfigError("--drill reads what it restores and nothing else", hint="Run the two one after the other.")
    if drill:
        return _drill(call, drill)
    with call.pool() as pool:
        with call.job("check", pool):
            result = pool.check(read_data=read_data, sample=share, subset=subset, disks=backend or ())
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


# -------------------------------------------------------------------------------------------------------------- drill
def _drill(call: Invocation, files: int) -> int:
    with call.pool() as pool:
        with call.job("drill", pool):
            result = pool.drill(files)
        flows = traffic(pool)
    tell = call.show if result.exit_code else call.summary
    tell(
        lambda: documents.summary("check", **_drilled(result), backends=documents.flows_of(flows)),
        lambda screen: _page(screen, result),
    )
    return result.exit_code


def _drilled(result: DrillResult) -> dict[str, Any]:
    return {
        "drill": {
            "files": [
                {
                    "snapshot_id": file.snapshot,
                    "path": file.path,
                    "size": file.size,
                    "ok": not file.problem,
                    "message": file.problem,
                    "source": file.source,
                }
                for file in result.files
            ],
            "without": result.without,
            "recorded": result.recorded,
        },
        "files_restored": len(result.files) - len(result.failed),
        "bytes_restored": result.bytes,
        "total_duration": round(result.seconds, 3),
        "exit_code": result.exit_code,
    }


def _page(screen: Screen, result: DrillResult) -> None:
    count = len(result.files)
    if result.failed:
        text = f"FAILED: {len(result.failed)} of {many(count, 'file')} did not come back as they were stored."
    else:
        text = f"The drill went well: {many(count, 'file')} came back as they were stored."
    screen.verdict(text, result.exit_code)
    screen.line()
    rows = [
        [file.snapshot, file.path, show_size(file.size), file.problem or SOURCES[file.source]] for file in result.files
    ]
    screen.table(("Snapshot", "File", "Size", ""), rows, right=("Size",))
    screen.line()
    screen.pairs([
        ("without", ", ".join(result.without) or "every disk was asked: none may be lost"),
        ("restored", f"{show_size(result.bytes)} in {duration(result.seconds)}"),
    ])  # fmt: skip
    if result.failed:
        screen.next_step("Run 'webraid check --read-data', then 'webraid repair'.")
