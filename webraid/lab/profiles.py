"""What a simulated cloud can be told to be: the fields of a link, profiles of several clouds, and those we ship.

Rates are bytes a second (None: not limited), times are seconds, shares lie between 0 and 1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from webraid.errors import ConfigError
from webraid.model import parse_size

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def rate(value: object) -> float | None:
    """'10M' -> 1e7, '10MiB/s' -> 10485760; 0, 'off' and None mean no limit.  Raises ConfigError."""
    if value is None or (isinstance(value, str) and value.strip().lower() in ("off", "none", "")):
        return None
    if isinstance(value, str):
        return parse_size(value.strip().removesuffix("/s")) or None
    return _number(value) or None


def seconds(value: object) -> float:
    """'80ms' -> 0.08, '1.5s' -> 1.5; a number is seconds.  Raises ConfigError."""
    if not isinstance(value, str):
        return _number(value)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*", value.lower())
    if not match:
        raise ConfigError(f"{value!r} is not a time", hint="Write times like 80ms or 1.5s.")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _number(value: object) -> float:
    """A finite number of at least 0, also written as text."""
    try:
        number = float(value)  # type: ignore[arg-type]  # what float() cannot take ends in the error below
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ConfigError(f"{value!r} is not a number of at least 0", hint="See the fields in docs/lab.md.")
    return number


def _share(value: object) -> float:
    number = _number(value)
    if number > 1:
        raise ConfigError(f"{value!r} is not a share between 0 and 1", hint="Write 0.02 for 2 %.")
    return number


def _signed(value: object) -> float:
    text = str(value)
    return -seconds(text[1:]) if text.startswith("-") else seconds(value)


def _flag(value: object) -> bool:
    if value not in (True, False, "true", "false"):
        raise ConfigError(f"{value!r} is neither true nor false", hint="Write true or false.")
    return value in (True, "true")


def _state(value: object) -> str:
    if value not in ("up", "refuse", "hang"):
        raise ConfigError(f"{value!r} is not a state", hint="A link is 'up', 'refuse' or 'hang'.")
    return str(value)


def _field(parse: Callable[[object], Any], default: object, text: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": text})


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One cloud as seen over its line: shaping and faults.  Every field can be changed while the lab runs."""

    up: float | None = _field(rate, None, "bandwidth client to cloud, bytes/s, shared by all connections")
    down: float | None = _field(rate, None, "bandwidth cloud to client, bytes/s")
    rtt: float = _field(seconds, 0.0, "round trip; half of it is added in each direction")
    setup: float = _field(_number, 2.0, "round trips a new connection costs before its first byte (TCP 1, TLS 1.3 1)")
    service: float = _field(seconds, 0.0, "time the cloud thinks before it answers a request")
    service_jitter: float = _field(seconds, 0.0, "added to service, uniform between 0 and this")
    conn_up: float | None = _field(rate, None, "bandwidth of one connection, client to cloud")
    conn_down: float | None = _field(rate, None, "bandwidth of one connection, cloud to client")
    group: str = _field(str, "", "clouds of one group also share the group's line ('': no group)")
    state: str = _field(_state, "up", "up | refuse (connections refused) | hang (accepts, then silence)")
    error_rate: float = _field(_share, 0.0, "share of the requests answered 503 before they take effect")
    lost_rate: float = _field(_share, 0.0, "share of the requests that take effect, then the connection is reset")
    req_rate: float = _field(_number, 0.0, "requests/s above which the answer is 429 with Retry-After (0: no limit)")
    tail_rate: float = _field(_share, 0.0, "share of the requests that are tail_factor times slower")
    tail_factor: float = _field(_number, 10.0, "how much slower those are")
    quota: float | None = _field(rate, None, "bytes stored above which PUT is answered 507")
    max_object: float | None = _field(rate, None, "largest object accepted, bytes (413 above)")
    corrupt_rate: float = _field(_share, 0.0, "share of the GETs whose body has one flipped bit")
    drop_after: float | None = _field(rate, None, "reset every connection after this many bytes")
    check_keys: bool = _field(_flag, True, "refuse wrong access keys, signatures and clocks (403)")
    clock: float = _field(_signed, 0.0, "seconds the cloud's clock is ahead of ours (may be negative)")

    def changed(self, values: Mapping[str, object]) -> LinkSpec:
        """With some fields given new values, as text or numbers.  Raises ConfigError, naming the known fields."""
        known = {item.name: item for item in fields(self)}
        for name in values:
            if name not in known:
                raise ConfigError(f"a simulated cloud has no field {name!r}", hint=f"Known: {', '.join(known)}.")
        return replace(self, **{name: known[name].metadata["parse"](value) for name, value in values.items()})

    def dump(self) -> dict[str, object]:
        """The fields that are not at their default, as JSON can hold them."""
        pairs = ((item, getattr(self, item.name)) for item in fields(self) if item.default is not MISSING)
        return {item.name: value for item, value in pairs if value != item.default}


@dataclass(frozen=True, slots=True)
class Group:
    """A line that several clouds share (the user's own, say), in front of each cloud's own."""

    up: float | None = None
    down: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Several simulated clouds by name.  ``summary`` is one line for people."""

    name: str
    clouds: dict[str, LinkSpec]
    groups: dict[str, Group] = field(default_factory=dict)
    summary: str = ""

    def __post_init__(self) -> None:
        if not self.clouds:
            raise ConfigError(f"profile {self.name} has no clouds", hint="See docs/lab.md for an example.")
        for name, spec in self.clouds.items():
            if not NAME.fullmatch(name):
                raise ConfigError(f"{name!r} cannot name a simulated cloud", hint="Use a-z, 0-9 and -, 40 at most.")
            if spec.group and spec.group not in self.groups:
                raise ConfigError(f"cloud {name} is in group {spec.group!r}, which profile {self.name} lacks",
                                  hint=f"Known groups: {', '.join(self.groups) or 'none'}.")  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Profile:
        """A profile from a JSON file: {"defaults": {...}, "groups": {name: {up, down}}, "clouds": {name: {...}}}."""
        try:
            raw = json.loads(Path(path).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the profile {path}: {error}", hint="See docs/lab.md.") from error
        return cls.parse(raw, Path(path).stem)

    @classmethod
    def parse(cls, raw: object, name: str = "custom") -> Profile:
        """A profile from decoded JSON; ``name`` is used where it has none.  Raises ConfigError."""
        top = _table(raw, "the profile", {"name", "summary", "defaults", "groups", "clouds"})
        base = LinkSpec().changed(_table(top.get("defaults", {}), "defaults"))
        clouds = _table(top.get("clouds", {}), "clouds")
        groups = {
            key: Group(**{k: rate(v) for k, v in _table(value, f"group {key}", {"up", "down"}).items()})
            for key, value in _table(top.get("groups", {}), "groups").items()
        }
        links = {key: base.changed(_table(value, f"cloud {key}")) for key, value in clouds.items()}
        return cls(str(top.get("name", name)), links, groups, str(top.get("summary", "")))

    def dump(self) -> dict[str, object]:
        """As JSON can hold it; ``parse`` gives it back."""
        groups = {key: {"up": group.up, "down": group.down} for key, group in self.groups.items()}
        clouds = {key: spec.dump() for key, spec in self.clouds.items()}
        return {"name": self.name, "summary": self.summary, "groups": groups, "clouds": clouds}


def _table(raw: object, what: str, known: set[str] | None = None) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{what} must be a JSON object", hint="See docs/lab.md for an example.")
    for key in raw:
        if known and key not in known:
            raise ConfigError(f"{what} has no {key!r}", hint=f"Known: {', '.join(sorted(known))}.")
    return raw


def find(name: str) -> Profile:
    """A profile we ship, or one from a JSON file when ``name`` is a path.  Raises ConfigError, listing the known."""
    if name in PROFILES:
        return PROFILES[name]
    if name.endswith(".json"):
        return Profile.load(Path(name))
    raise ConfigError(f"there is no lab profile {name!r}", hint=f"Known: {', '.join(PROFILES)}; or a .json file.")


def _cloud(megabytes: float, milliseconds: float, **more: Any) -> LinkSpec:
    return LinkSpec(up=megabytes * 1e6, down=megabytes * 1e6, rtt=milliseconds / 1000, **more)


def _six(spec: LinkSpec) -> dict[str, LinkSpec]:
    return {f"c{number}": spec for number in range(1, 7)}


_FLAT = _cloud(8, 60)
_LAB5 = ((10, 30), (8, 60), (6, 90), (4, 120), (2, 200))
_DEMO = (
    ("cirrus", 10, 20),
    ("cumulus", 8, 30),
    ("nimbus", 7, 40),
    ("stratus", 6, 50),
    ("altus", 5, 70),
    ("mist", 4, 90),
)
_SHIPPED = (
    Profile("lab5", {f"c{i}": _cloud(*pair) for i, pair in enumerate(_LAB5, 1)},
            summary="five uneven clouds: 10/8/6/4/2 MB/s each way, 30/60/90/120/200 ms"),
    Profile("flat6", _six(_FLAT), summary="six equal clouds: 8 MB/s each way, 60 ms"),
    Profile("tail", _six(replace(_FLAT, tail_rate=0.02)),
            summary="flat6, but 2 % of the requests are ten times slower"),
    Profile("home", _six(replace(_FLAT, group="home")), {"home": Group(up=5e6)},
            summary="flat6 behind one home line whose uplink is 5 MB/s for all six together"),
    Profile("throttle", {**_six(_FLAT), "c1": replace(_FLAT, req_rate=2.0)},
            summary="flat6, but c1 takes 2 requests a second, then 429 with Retry-After"),
    Profile("fast6", _six(LinkSpec(setup=0.0)), summary="six clouds as fast as this machine: no shaping at all"),
    Profile("demo6", {name: _cloud(*pair) for name, *pair in _DEMO},
            summary="six clouds with names, 10 down to 4 MB/s, 20 to 90 ms"),
)  # fmt: skip
PROFILES: dict[str, Profile] = {profile.name: profile for profile in _SHIPPED}
