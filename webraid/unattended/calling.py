"""How cron or systemd call webraid: the program by its whole path, the environment it needs, what that lacks."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from webraid.config import Config, Places
from webraid.errors import ConfigError

USUAL = ("/usr/local/bin", "/usr/bin", "/bin")  # cron gives no more than the last two
HELPERS = ("rclone", "ionice")  # programs that a run may start
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Calling:
    """``words``: the command; ``environ``: what it needs besides what cron and systemd give."""

    words: tuple[str, ...]
    environ: Mapping[str, str]


def calling(places: Places, environ: Mapping[str, str]) -> Calling:
    """For this machine and this pool.  Both places are named: a timer has another HOME and other XDG variables."""
    program = _program()
    where = {"WEBRAID_CONFIG": str(places.config), "WEBRAID_STATE_DIR": str(places.state)}
    found = Calling((*program, "schedule", "run", "--timer"), {**where, "PATH": _path(program, environ)})
    if any(not _plain(text) for text in (*found.words, *found.environ.values())):
        raise ConfigError(
            "a path of the config, the state or the program is not plain text: neither cron nor systemd can hold it",
            hint="Use folders whose names are UTF-8 in one line (see WEBRAID_CONFIG, WEBRAID_STATE_DIR).",
        )
    return found


def _plain(text: str) -> bool:
    """Whether it goes into a text file as a part of one line."""
    return not any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) < 0xE000 for letter in text)


def _program() -> tuple[str, ...]:
    """The command as it was called, else the one that was installed beside this Python, else Python itself."""
    called = Path(sys.argv[0])
    for script in (called, Path(sys.executable).with_name("webraid")):
        if script.name == "webraid" and script.is_file() and os.access(script, os.X_OK):
            return (str(script.absolute()),)
    return (sys.executable, "-m", "webraid")


def _path(program: Sequence[str], environ: Mapping[str, str]) -> str:
    found = (shutil.which(name, path=environ.get("PATH")) for name in HELPERS)
    folders = [str(Path(file).absolute().parent) for file in (program[0], *filter(None, found))]
    return os.pathsep.join(dict.fromkeys([*folders, *USUAL]))


def lacking(config: Config) -> list[str]:
    """What a run from a timer will not have although the config counts on it, a sentence each."""
    names = sorted(set(_variables(config)))
    notes = []
    if config.profile and config.profile != config.schedule.profile:
        notes.append(f"runs are not under profile {config.profile}, as [schedule] in the config does not name it")
    if names:
        notes.append(
            f"the config takes {', '.join('${' + name + '}' for name in names)} from the environment: a timer does not "
            "know that, so write it into the crontab or the unit yourself, or let webraid keep the secret"
        )
    if config.secrets.store == "keyring":
        notes.append("the secrets are in the keyring, which is locked while nobody is logged in: runs will fail then")
    return notes


def _variables(config: Config) -> Iterator[str]:
    values = [value for disk in config.disks for value in disk.options.values() if isinstance(value, str)]
    for text in (*values, config.notify.healthchecks, *config.notify.apprise):
        yield from _VARIABLE.findall(text)
