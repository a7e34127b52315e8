"""The user's crontab: a marked block of lines in it is ours, and everything else stays byte for byte."""

from __future__ import annotations

import shlex
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path

from webraid.config import Config
from webraid.errors import ConfigError
from webraid.unattended.calling import Calling
from webraid.unattended.cron import parse_cron

LONGEST = 990  # bytes of a command that Debian's cron takes (MAX_COMMAND in its cron.h is 1000)


def _marks(config_file: Path) -> tuple[bytes, bytes]:
    """A pool has a block of its own."""
    return tuple(f"# {word} webraid schedule for {config_file}".encode() for word in ("BEGIN", "END"))  # type: ignore[return-value]


def block(config_file: Path, config: Config, how: Calling) -> bytes:
    """Our lines.  The second and the third make up for what was missed; a run that is not due ends at once."""
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in how.environ.items())
    command = f"{settings} {shlex.join(how.words)}".replace("%", r"\%")  # '%' ends a command in a crontab
    if "\\" in f"{settings} {shlex.join(how.words)}":  # some crons take one of two away, some do not
        raise ConfigError("a path with a backslash cannot stand in a crontab", hint="Use other folders, or --systemd.")
    if len(command.encode()) > LONGEST:
        raise ConfigError("the command is too long for a crontab", hint="Use shorter paths, or --systemd.")
    minute = zlib.crc32(config.pool.id.encode()) % 60  # not everybody's at the full hour
    lines = ["# 'webraid schedule install' writes these lines anew, 'webraid schedule rm' takes them away"]
    lines.append(f"{parse_cron(config.schedule.cron).text} {command}")
    if config.schedule.catch_up:
        lines += [f"{minute} * * * * {command}", f"@reboot {command}"]
    begin, end = _marks(config_file)
    return b"\n".join([begin, *(line.encode() for line in lines), end]) + b"\n"


def ours(crontab: bytes, config_file: Path) -> bytes:
    """Our block as it stands in a crontab, or nothing."""
    begin, end = _marks(config_file)
    lines = crontab.splitlines(keepends=True)
    bare = [line.rstrip(b"\r\n") for line in lines]
    if begin not in bare:
        return b""
    first = bare.index(begin)
    if end not in bare[first:]:
        raise ConfigError(
            "the crontab has the first line of webraid's block, but not the last one",
            hint="Look at it with 'crontab -e' and take the lines away that belong to webraid.",
        )
    return b"".join(lines[first : bare.index(end, first) + 1])


def with_block(crontab: bytes, config_file: Path, lines: bytes) -> bytes:
    """The crontab with our block replaced by ``lines``, or with them at its end."""
    old = ours(crontab, config_file)
    if old:
        return crontab.replace(old, lines, 1)
    apart = b"" if not crontab or crontab.endswith(b"\n") else b"\n"
    return crontab + apart + lines


def read(environ: Mapping[str, str]) -> bytes:
    """The crontab of whoever runs this; b'' when there is none.  Raises ConfigError."""
    done = _call(("-l",), environ)
    if done.returncode == 0:
        return done.stdout
    if b"no crontab for" in done.stderr:
        return b""
    raise ConfigError(f"the crontab cannot be read: {_said(done)}", hint="May you use cron? See /etc/cron.allow.")


def write(crontab: bytes, environ: Mapping[str, str]) -> None:
    """Replace the crontab; an empty one is removed.  Raises ConfigError."""
    done = _call(("-",), environ, crontab) if crontab else _call(("-r",), environ)
    if done.returncode:
        raise ConfigError(f"the crontab cannot be written: {_said(done)}", hint="Nothing was changed.")


def _call(words: tuple[str, ...], environ: Mapping[str, str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["crontab", *words], input=given, capture_output=True, timeout=30, check=False,
            env={**environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise ConfigError("there is no crontab on this machine", hint="Install cron, or use --systemd.") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"crontab cannot be called: {type(error).__name__}", hint="Try 'crontab -l'.") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
