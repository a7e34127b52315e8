"""Flags that change what the config says for one run.  They are handed on as the environment variables of the options
that they stand for, and so go before everything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.cli.flags import Flags

T = TypeVar("T", int, float)

# A number with no unit behind it, and no part of a time of the day.
_PLAIN = re.compile(r"(?<![\d.:-])(\d+(?:\.\d+)?)(?![\d.:])(?!\s*-)(?!\s*[A-Za-z])")
_CHANGES = re.compile(r"(\s*\d\d?:\d\d,\S+)+\s*")
RATES = "Write 500 (KiB/s), 2MiB/s, '08:00-23:00 1MiB/s, else 0' or 0 for no limit."


def overrides(flags: Flags) -> dict[str, str]:
    """Variable -> value, of the flags that were given.  Raises ConfigError."""
    found = _rates(flags)
    numbers: dict[str, Callable[[str], str]] = {
        "tpslimit": _tps, "transfers": _transfers, "retries": _retries, "patience": _patience,
    }  # fmt: skip
    for name, read in numbers.items():
        given = getattr(flags, name)
        if given is not None:
            found[f"WEBRAID_LIMITS_{'TPS' if name == 'tpslimit' else name.upper()}"] = read(given)
    if flags.profile is not None:
        found["WEBRAID_PROFILE"] = flags.profile
    return found | _cache(flags)


# --------------------------------------------------------------------------------------------------------------- rates
def _rates(flags: Flags) -> dict[str, str]:
    up, down = _both(flags.bwlimit) if flags.bwlimit is not None else (None, None)
    up = _rate("--limit-upload", flags.limit_upload) if flags.limit_upload is not None else up
    down = _rate("--limit-download", flags.limit_download) if flags.limit_download is not None else down
    given = {"WEBRAID_LIMITS_UPLOAD": up, "WEBRAID_LIMITS_DOWNLOAD": down}
    return {name: rate for name, rate in given.items() if rate is not None}


def _both(text: str) -> tuple[str, str]:
    """'RATE', 'UP:DOWN', or a timetable of either, as rclone's."""
    if _CHANGES.fullmatch(text):
        parts = [part.split(",", 1) for part in text.split()]
        ways = [(time, *_halves(rate)) for time, rate in parts]
        up, down = (" ".join(f"{way[0]},{way[side]}" for way in ways) for side in (1, 2))
    else:
        up, down = _halves(text) if text.count(":") == 1 else (text, text)
    return _rate("--bwlimit", up), _rate("--bwlimit", down)


def _halves(text: str) -> tuple[str, str]:
    up, colon, down = text.partition(":")
    return up, down if colon else up


def _rate(flag: str, text: str) -> str:
    """As [limits] has it; a plain number counts KiB/s, as it does for restic and rclone."""
    from webraid.backend.timetable import parse_timetable

    rate = _PLAIN.sub(r"\1KiB", text)
    try:
        parse_timetable(rate)
    except ConfigError as error:
        raise ConfigError(f"{flag}: {error}", hint=RATES) from None
    return rate


# ------------------------------------------------------------------------------------------------------------- numbers
def _tps(text: str) -> str:
    from webraid.config import MOST_TPS

    return _number("--tpslimit", text, float, MOST_TPS, "a number of requests a second, such as 10 or 0.5")


def _transfers(text: str) -> str:
    from webraid.config import MOST_THREADS

    return _number("--transfers", text, int, MOST_THREADS, f"a whole number up to {MOST_THREADS}")


def _retries(text: str) -> str:
    from webraid.config import MOST_RETRIES

    return _number("--retries", text, int, MOST_RETRIES, f"a whole number up to {MOST_RETRIES}")


def _patience(text: str) -> str:
    from webraid.config import parse_duration

    try:
        seconds = parse_duration(text)
    except ConfigError as error:
        raise ConfigError(f"--patience: {error}", hint="Write seconds, such as 90, or 2m.") from None
    if not seconds:
        raise ConfigError("--patience must be more than 0 seconds", hint="Write seconds, such as 90, or 2m.")
    return repr(seconds)


def _number(flag: str, text: str, kind: Callable[[str], T], most: float, meaning: str) -> str:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not 0 <= value <= most:
        raise ConfigError(f"{flag}: {text!r} is not {meaning}", hint="See 'webraid --help'.")
    return repr(value)


# --------------------------------------------------------------------------------------------------------------- cache
def _cache(flags: Flags) -> dict[str, str]:
    if flags.no_cache and flags.cache_dir is not None:
        raise ConfigError("--no-cache and --cache-dir exclude each other", hint="Give one of them.")
    if flags.no_cache:
        return {"WEBRAID_NO_CACHE": "yes"}
    if flags.cache_dir is None:
        return {}
    if not flags.cache_dir:
        raise ConfigError("--cache-dir needs a folder", hint="Is a variable of your shell empty?")
    return {"WEBRAID_CACHE_DIR": flags.cache_dir, "WEBRAID_NO_CACHE": ""}
