"""How the last scheduled run ended: state/last-run.json, for 'schedule show', 'status', and whoever reads JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from webraid.config import Places, write_private

VERSION = 1


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one job.  ``summary``: a sentence without file names.  ``seconds``: how long it took."""

    job: str
    exit_code: int
    summary: str
    seconds: float = 0.0
    left_out: bool = False


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The last snapshot of a source that a scheduled run made.  ``bytes``: its size, ``added``: what was new."""

    snapshot: str
    time: datetime
    files: int
    bytes: int
    added: int = 0


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled run.  Times are UTC.  ``ended``: None while it runs, or when it was killed.  ``timer``: whether cron
    or systemd started it.  ``asleep``: seconds that the machine slept meanwhile.  ``last_success``: when a run last
    ended well.  ``done``: job -> when it last went well.  ``backed_up``: whether the last put worked."""

    version: int = VERSION
    pool: str = ""
    started: datetime
    ended: datetime | None = None
    exit_code: int = 0
    error: str = ""
    timer: bool = False
    asleep: float = 0.0
    jobs: tuple[JobRecord, ...] = ()
    snapshots: tuple[str, ...] = ()
    survives: int | None = None
    promised: int | None = None
    sources: dict[str, SourceRecord] = {}
    done: dict[str, datetime] = {}
    last_success: datetime | None = None
    backed_up: bool = True
    log: str = ""


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def path_of(places: Places) -> Path:
    """Where it is kept."""
    return places.state / "last-run.json"


def last_run(places: Places) -> LastRun | None:
    """The last scheduled run of this machine, or the one that runs; None when there was none, or nothing legible."""
    try:
        found = msgspec.json.decode(path_of(places).read_bytes(), type=LastRun)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
        return None
    return found if found.version == VERSION else None


def save(places: Places, run: LastRun) -> None:
    """Keep it, in one step.  Raises OSError."""
    write_private(path_of(places), msgspec.json.format(msgspec.json.encode(run), indent=2).decode() + "\n")
