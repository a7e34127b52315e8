"""That, and since when, a schedule is installed: state/schedule.json."""

from __future__ import annotations

from datetime import datetime

import msgspec

from webraid.config import Places, write_private
from webraid.env import Env
from webraid.unattended.record import moment


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """``how``: 'cron', 'systemd user' or 'systemd system'; ``cron``: the time it was installed with."""

    how: str
    cron: str
    since: datetime


def mark(places: Places) -> Mark | None:
    """What 'schedule install' left behind."""
    try:
        return msgspec.json.decode((places.state / "schedule.json").read_bytes(), type=Mark)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
        return None


def since(places: Places) -> float:
    """What was scheduled before is not made up for.  Seconds since the epoch."""
    found = mark(places)
    return found.since.timestamp() if found else 0.0


def note(places: Places, env: Env, how: str, cron: str) -> None:
    """Remember it; what is installed once more just so keeps its date."""
    found = mark(places)
    if found is None or (found.how, found.cron) != (how, cron):
        made = Mark(how=how, cron=cron, since=moment(env.now()))
        write_private(places.state / "schedule.json", msgspec.json.encode(made).decode() + "\n")


def forget(places: Places) -> None:
    """There is none any more."""
    (places.state / "schedule.json").unlink(missing_ok=True)
