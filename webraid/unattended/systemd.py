"""systemd: a service and its timer as texts, where they lie, and telling systemd of them."""

from __future__ import annotations

import os
import re
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from webraid.config import Config, parse_duration
from webraid.errors import EXIT_BUSY
from webraid.unattended.calling import Calling
from webraid.unattended.cron import WEEKDAYS, CronTime, parse_cron

RUNNING = Path("/run/systemd/system")  # sd_booted(3): it exists where systemd is the first process
SYSTEM = Path("/etc/systemd/system")


def user_folder(environ: Mapping[str, str]) -> Path:
    """Where a user's own units are."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".config")
    return Path(base) / "systemd" / "user"


def unit_name(config: Config) -> str:
    """'webraid-home': a pool has units of its own."""
    slug = re.sub(r"[^a-z0-9]+", "-", config.pool.name.lower()).strip("-")
    return f"webraid-{slug or config.pool.id[:8]}"


def calendars(cron: CronTime) -> list[str]:
    """What OnCalendar= must say for the same moments, see systemd.time(7); one of several suffices there."""
    at = f"{_numbers(cron.hours, 24)}:{_numbers(cron.minutes, 60)}:00"
    months = _numbers(cron.months, 12)
    days = f"*-{months}-{_numbers(cron.days, 31)} {at}"
    names = ",".join(WEEKDAYS[number].capitalize() for number in cron.weekdays)
    if cron.either:
        return [days, f"{names} *-{months}-* {at}"]
    return [days if len(cron.weekdays) == 7 else f"{names} {days}"]


def _numbers(found: Sequence[int], all_of_them: int) -> str:
    return "*" if len(found) == all_of_them else ",".join(f"{number:02}" for number in found)


def units(config_file: Path, config: Config, how: Calling, *, system: bool) -> dict[str, str]:
    """File name -> text."""
    name = unit_name(config)
    return {
        f"{name}.service": "\n".join(_service(config_file, config, how, system=system)) + "\n",
        f"{name}.timer": "\n".join(_timer(config_file, config)) + "\n",
    }


def head(config_file: Path) -> str:
    """The first line of our units: whose they are."""
    return f"# webraid schedule for {config_file}"


def _service(config_file: Path, config: Config, how: Calling, *, system: bool) -> Iterator[str]:
    yield head(config_file)
    yield "# 'webraid schedule install' writes this anew, 'webraid schedule rm' takes it away"
    yield "[Unit]"
    yield f"Description=WebRAID, scheduled run of pool {_escaped(config.pool.name)}"
    if system:  # a user's systemd does not know this target
        yield "Wants=network-online.target"
        yield "After=network-online.target"
    if not config.schedule.on_battery:
        yield "ConditionACPower=true"
    yield ""
    yield "[Service]"
    yield "Type=oneshot"
    yield from (f"Environment={_quoted(f'{name}={value}')}" for name, value in how.environ.items())
    # the jitter is the timer's
    yield "ExecStart=" + " ".join(_quoted(word).replace("$", "$$") for word in (*how.words, "--no-jitter"))
    yield f"SuccessExitStatus={EXIT_BUSY}"
    yield f"Nice={min(max(config.schedule.nice, 0), 19)}"
    yield "IOSchedulingClass=idle"
    yield "KillMode=mixed"
    yield "TimeoutStopSec=120"


def _timer(config_file: Path, config: Config) -> Iterator[str]:
    schedule = config.schedule
    yield head(config_file)
    yield "[Unit]"
    yield f"Description=WebRAID, when pool {_escaped(config.pool.name)} is backed up"
    yield ""
    yield "[Timer]"
    yield from (f"OnCalendar={text}" for text in calendars(parse_cron(schedule.cron)))
    if schedule.catch_up:  # what was skipped on battery, or broke off; a run that is not due ends at once
        yield f"OnCalendar=*-*-* *:{zlib.crc32(config.pool.id.encode()) % 60:02}:00"
    yield f"Persistent={'true' if schedule.catch_up else 'false'}"
    yield f"RandomizedDelaySec={parse_duration(schedule.jitter):.0f}"
    yield "AccuracySec=1min"
    yield ""
    yield "[Install]"
    yield "WantedBy=timers.target"


def _escaped(text: str) -> str:
    """For where '%' begins a specifier."""
    return " ".join(text.split()).replace("%", "%%")


def _quoted(text: str) -> str:
    """As systemd.syntax(7) wants a word that may hold anything."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def systemctl(words: Sequence[str], environ: Mapping[str, str], *, system: bool) -> str:
    """Call it.  Returns what went wrong, or ''."""
    try:
        done = subprocess.run(
            command(words, system=system), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
            env=dict(environ),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    return (said[-1] if said else f"exit code {done.returncode}") if done.returncode else ""


def command(words: Sequence[str], *, system: bool) -> list[str]:
    """The command line."""
    return ["systemctl", *(() if system else ("--user",)), *words]


def put_unit(path: Path, text: str) -> None:
    """Write a unit, in one step; everybody may read units.  Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
