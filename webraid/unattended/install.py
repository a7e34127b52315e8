"""Getting scheduled runs started: by cron or by systemd; what is installed, and taking it away."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from webraid.config import Config, load
from webraid.errors import ConfigError, PermissionDenied
from webraid.jobs.base.settings import Settings
from webraid.unattended import crontab, installed, systemd
from webraid.unattended.calling import Calling, calling, lacking
from webraid.unattended.cron import parse_cron
from webraid.unattended.due import next_time
from webraid.unattended.logbook import log_path
from webraid.unattended.record import LastRun, last_run
from webraid.unattended.steps import known

How = Literal["cron", "systemd"]


@dataclass(frozen=True, slots=True)
class Host:
    """Where this machine keeps units, and whether systemd runs it.  ``root``: whose units are the system's."""

    environ: Mapping[str, str]
    root: bool
    running: Path = systemd.RUNNING
    system: Path = systemd.SYSTEM

    def folder(self, system: bool) -> Path:
        """Where units lie."""
        return self.system if system else systemd.user_folder(self.environ)


@dataclass(slots=True)
class Installed:
    """``how``: 'cron', 'systemd user' or 'systemd system'.  ``lines``: the crontab's; ``files``: units.  ``notes``:
    what to know; ``to_run``: commands that are left to the user.  ``next_run``: seconds since the epoch."""

    how: str
    next_run: float
    lines: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    to_run: list[str] = field(default_factory=list)
    changed: bool = True


@dataclass(slots=True)
class Shown:
    """What 'schedule show' tells.  ``stale``: the config says other things than what is installed."""

    installed: list[str]
    cron: str
    jobs: tuple[str, ...]
    next_run: float | None
    stale: bool
    last: LastRun | None
    log: Path
    lines: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def choose(host: Host, how: How | None) -> How:
    """systemd where it runs, else cron, else an error."""
    if how == "cron" or (how is None and not host.running.is_dir()):
        if shutil.which("crontab", path=host.environ.get("PATH")):
            return "cron"
        raise ConfigError(
            "there is neither systemd nor cron here" if how is None else "there is no crontab on this machine",
            hint="Install cron, or have something else start 'webraid schedule run'.",
        )
    return "systemd"


def install(
    settings: Settings, host: Host, *, how: How | None = None, system: bool | None = None
) -> Installed:  # fmt: skip
    """Have [schedule] started from now on; what was installed before is replaced.  Raises ConfigError."""
    config = _checked(settings)
    chosen = choose(host, how)
    command = calling(settings.places, settings.environ)
    following = next_time(parse_cron(config.schedule.cron), settings.env.now())
    if chosen == "cron":
        if system:
            raise ConfigError("cron has a crontab for each user", hint="Leave --system out; root's is root's.")
        made = _into_crontab(settings, config, command, following)
        _drop_units(settings, host, config)
    else:
        made = _as_units(settings, host, config, command, following, system=host.root if system is None else system)
        try:
            if shutil.which("crontab", path=host.environ.get("PATH")):
                _drop_block(settings)
        except ConfigError as error:
            made.notes.append(str(error))
    made.notes += lacking(config)
    installed.note(settings.places, settings.env, made.how, config.schedule.cron)
    return made


def _checked(settings: Settings) -> Config:
    config = load(settings.places.config, settings.environ)
    known(config.schedule.jobs)
    if "put" in config.schedule.jobs and not config.sources:
        raise ConfigError("there is no [[source]] in the config", hint="Say there what a put without paths stores.")
    return config


def _into_crontab(settings: Settings, config: Config, command: Calling, following: float) -> Installed:
    config_file = settings.places.config
    lines = crontab.block(config_file, config, command)
    before = crontab.read(settings.environ)
    after = crontab.with_block(before, config_file, lines)
    if after != before:
        crontab.write(after, settings.environ)
    return Installed("cron", following, lines=lines.decode().splitlines(), changed=after != before)


def _as_units(
    settings: Settings, host: Host, config: Config, command: Calling, following: float, *, system: bool
) -> Installed:  # fmt: skip
    folder, config_file = host.folder(system), settings.places.config
    texts = systemd.units(config_file, config, command, system=system)
    name = systemd.unit_name(config)
    made = Installed(f"systemd {'system' if system else 'user'}", following, changed=False)
    for file, text in texts.items():
        path = folder / file
        made.files.append(str(path))
        old = path.read_text() if path.exists() else ""
        if old and not old.startswith(systemd.head(config_file) + "\n"):
            raise ConfigError(f"{path} is another one's", hint="Move it away, or use another name for the pool.")
        if old != text:
            made.changed = True
            _put_unit(path, text)
    _drop_units(settings, host, config, besides=folder)
    steps = [["daemon-reload"], ["enable", "--now", f"{name}.timer"]]
    trouble = "systemd does not run here" if not host.running.is_dir() else ""
    while steps and not trouble:
        trouble = systemd.systemctl(steps[0], settings.environ, system=system)
        if not trouble:
            steps.pop(0)
    if trouble:
        made.notes.append(f"the timer is written but not started: {trouble}")
        made.to_run += [" ".join(systemd.command(step, system=system)) for step in steps]
    if not system:
        made.notes.append("a user's timer runs while that user is logged in, unless lingering is on")
        made.to_run.append("loginctl enable-linger")
    return made


def _put_unit(path: Path, text: str) -> None:
    try:
        systemd.put_unit(path, text)
    except PermissionError:
        raise PermissionDenied(f"{path} cannot be written", hint="Run it as root, or use --user.") from None


def _drop_block(settings: Settings) -> bool:
    before = crontab.read(settings.environ)
    after = crontab.with_block(before, settings.places.config, b"")
    if after != before:
        crontab.write(after, settings.environ)
    return after != before


def _drop_units(settings: Settings, host: Host, config: Config, besides: Path | None = None) -> list[str]:
    """Take units away wherever they lie, and tell systemd."""
    gone = []
    for system in (False, True):
        folder = host.folder(system)
        found = _units_there(settings, folder, config) if folder != besides else []
        if not found:
            continue
        if host.running.is_dir():  # whether it was enabled or not
            systemd.systemctl(
                ["disable", "--now", f"{systemd.unit_name(config)}.timer"], settings.environ, system=system
            )
        for path in found:
            try:
                path.unlink()
            except PermissionError:
                raise PermissionDenied(f"{path} cannot be removed", hint="Run it as root.") from None
        if host.running.is_dir():
            systemd.systemctl(["daemon-reload"], settings.environ, system=system)
        gone += [str(path) for path in found]
    return gone


def _units_there(settings: Settings, folder: Path, config: Config) -> list[Path]:
    name, first = systemd.unit_name(config), systemd.head(settings.places.config) + "\n"
    paths = [folder / f"{name}.service", folder / f"{name}.timer"]
    return [path for path in paths if path.is_file() and path.read_text().startswith(first)]


def remove(settings: Settings, host: Host) -> list[str]:
    """Take everything away that was installed for this pool.  Returns what it was; [] when there was nothing."""
    config = load(settings.places.config, settings.environ)
    gone = _drop_units(settings, host, config)
    if shutil.which("crontab", path=host.environ.get("PATH")) and _drop_block(settings):
        gone.append("the lines in the crontab")
    installed.forget(settings.places)
    return gone


def show(settings: Settings, host: Host) -> Shown:
    """What is installed, what comes next, and how the last run went."""
    config = load(settings.places.config, settings.environ)
    command = calling(settings.places, settings.environ)
    shown = Shown(
        [], config.schedule.cron, config.schedule.jobs, None, False, last_run(settings.places),
        log_path(config, settings.places),
    )  # fmt: skip
    if shutil.which("crontab", path=host.environ.get("PATH")):
        lines = crontab.ours(crontab.read(settings.environ), settings.places.config)
        if lines:
            shown.installed.append("cron")
            shown.lines = lines.decode("utf-8", "backslashreplace").splitlines()
            shown.stale |= lines != crontab.block(settings.places.config, config, command)
    for system in (False, True):
        texts = systemd.units(settings.places.config, config, command, system=system)
        found = _units_there(settings, host.folder(system), config)
        if found:
            shown.installed.append(f"systemd {'system' if system else 'user'}")
            shown.files += [str(path) for path in found]
            shown.stale |= {path.name: path.read_text() for path in found} != texts
    if shown.installed:
        shown.next_run = next_time(parse_cron(config.schedule.cron), settings.env.now())
    return shown
