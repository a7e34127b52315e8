"""Which snapshots a policy keeps, beside real restic on generated histories; and choosing and grouping them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit import restic_repository
from webraid.errors import ConfigError
from webraid.jobs.base.retention import BUCKETS, NEVER, Candidate, Clock, Policy, Span, decide, parse_tags
from webraid.jobs.base.snapshots import Which, group_of, grouped, newest_of_each, parse_groups
from webraid.table.fold import Shot
from webraid.table.records import RootDir, Snapshot

DEEP = bool(os.environ.get("WEBRAID_DEEP"))
POLICIES = 500 if DEEP else 25  # a history
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def clock(zone: str) -> Clock:
    there = ZoneInfo(zone)
    return lambda moment: moment.astimezone(there)


# ------------------------------------------------------------------------------------------------------- beside restic
ANCIENT = Candidate(b"", NEVER + timedelta(days=99))  # the oldest, kept in the place of what an old restic lets go
HOSTS, ROOTS, TAGS = ("home", "laptop"), (("/a",), ("/a", "/b"), ("/b",)), ("daily", "photos", "weekly")


@dataclass(frozen=True)
class History:
    """The same snapshots in a restic repository and as ours."""

    folder: Path
    zone: str
    shots: list[Shot]
    ids: dict[bytes, str]


def _shot(number: int, time: datetime, random: Random) -> Shot:
    roots = tuple(RootDir(name=path[1:].encode(), origin=path.encode()) for path in random.choice(ROOTS))
    tags = tuple(random.sample(TAGS, random.choice((0, 1, 1, 2))))
    info = Snapshot(
        root=b"", time_ms=int(time.timestamp()) * 1000, host=random.choice(HOSTS), level="raid6", roots=roots, tags=tags
    )
    return Shot(number.to_bytes(16, "big"), b"", number, (number, b"", 0, b""), {}, info)


def _times(name: str, random: Random) -> list[datetime]:
    """'years': all ages.  'nights': the days around clock changes and the turn of years."""
    if name == "years":
        ages = [random.random() ** 4 * 86400 * 365 * 6 for _ in range(300)]
        return [datetime(2024, 6, 3, 17, 20, 1, tzinfo=UTC) - timedelta(seconds=int(age)) for age in ages]
    days = [
        datetime(2020, 12, 27, tzinfo=UTC), datetime(2021, 1, 3, tzinfo=UTC), datetime(2021, 3, 28, tzinfo=UTC),
        datetime(2021, 10, 31, tzinfo=UTC), datetime(2021, 12, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC),
        datetime(2024, 3, 31, tzinfo=UTC),
    ]  # fmt: skip
    return [random.choice(days) + timedelta(seconds=random.randrange(-90_000, 90_000)) for _ in range(300)]


@cache
def _history(name: str, zone: str, folder: Path) -> History:
    random = Random(name + zone)
    times = sorted(set(_times(name, random)))
    shots = [_shot(number, time, random) for number, time in enumerate(times)]
    known = [
        {
            "time": time.astimezone(ZoneInfo(zone)).isoformat(), "tree": "0" * 64, "username": "ann",
            "paths": [root.origin.decode() for root in shot.info.roots], "hostname": shot.info.host,
            "tags": list(shot.info.tags),
        }
        for time, shot in zip(times, shots, strict=True)
    ]  # fmt: skip
    ids = restic_repository.make(folder, known)
    return History(folder, zone, shots, {shot.id: name for shot, name in zip(shots, ids, strict=True)})


@dataclass(frozen=True)
class Asked:
    """The same question for both."""

    flags: tuple[str, ...]
    policy: Policy
    which: Which
    by: tuple[str, ...]


def _questions(seed: str) -> Iterator[Asked]:
    random = Random(seed)
    while True:
        keep = {name: random.choice((1, 2, 3, 7, 12, 400)) for name in BUCKETS if random.random() < 0.3}
        each = {name: _span(random) for name in list(BUCKETS)[1:] if random.random() < 0.2}
        within = _span(random) if random.random() < 0.2 else Span()
        tags = [
            ",".join(sorted(random.sample(TAGS, random.choice((1, 1, 2))))) for _ in range(random.choice((0, 0, 1, 2)))
        ]
        if not (keep or each or within or tags):
            continue
        by = random.choice(("host,paths", "host,paths", "host", "paths", "tags", "host,tags", ""))
        hosts = random.choice(((), (), (), ("home",), HOSTS))
        wanted = random.choice(((), (), (), ("photos",), ("daily,photos", "weekly")))
        paths = random.choice(((), (), (), ("/b",), ("/a", "/b")))
        flags = [f"--keep-{name}={count}" for name, count in keep.items()]
        flags += [f"--keep-within-{name}={span}" for name, span in each.items()]
        flags += [f"--keep-within={within}"] if within else []
        flags += [f"--keep-tag={tag}" for tag in tags]
        flags += [f"--host={host}" for host in hosts] + [f"--tag={tag}" for tag in wanted]
        flags += [f"--path={path}" for path in paths] + [f"--group-by={by}"]
        which = Which.of(hosts, [path.encode() for path in paths], wanted)
        yield Asked(tuple(flags), Policy(keep, within, each, parse_tags(tags)), which, parse_groups(by))


def _span(random: Random) -> Span:
    return random.choice(
        (Span(hours=30), Span(days=14), Span(months=2), Span(1, 1, 1, 1), Span(years=3), Span(days=700))
    )


def _theirs(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for group in groups:
        stays = zip(group["keep"] or [], group["reasons"] or [], strict=True)
        found.append({
            "group": (group["host"], tuple(group["paths"] or ()), tuple(group["tags"] or ())),
            "keep": [(one["id"], tuple(why["matches"]), why["counters"]) for one, why in stays],
            "remove": [one["id"] for one in group["remove"] or []],
        })  # fmt: skip
    return sorted(found, key=lambda one: one["group"])


def _ours(history: History, asked: Asked) -> list[dict[str, Any]]:
    found = []
    fitting = [shot for shot in history.shots if asked.which.fits(shot)]
    for group, shots in grouped(fitting, asked.by).items():
        candidates = [_candidate(shot) for shot in shots]
        if not restic_repository.keeps_oldest():
            candidates.append(ANCIENT)
        judged = decide(candidates, asked.policy, clock(history.zone))
        decisions = [one for one in judged if one.snapshot is not ANCIENT]
        paths = tuple(path.decode() for path in group.paths or ())
        found.append({
            "group": (group.host or "", paths, group.tags or ()),
            "keep": [(history.ids[one.snapshot.id], one.reasons, one.counters) for one in decisions if one.keep],
            "remove": [history.ids[one.snapshot.id] for one in decisions if not one.keep],
        })  # fmt: skip
    return sorted(found, key=lambda one: one["group"])


def _candidate(shot: Shot) -> Candidate:
    return Candidate(shot.id, datetime.fromtimestamp(shot.info.time_ms / 1000, UTC), frozenset(shot.info.tags))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("name", ["years", "nights"])
def test_the_choice_is_restics(name: str, zone: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    history = _history(name, zone, tmp_path_factory.mktemp("restic") / "repo")
    removed = 0
    for asked in itertools.islice(_questions(name), POLICIES):
        theirs = _theirs(restic_repository.forget(history.folder, *asked.flags, zone=zone))
        assert _ours(history, asked) == theirs, asked.flags
        removed += sum(len(group["remove"]) for group in theirs)
    assert removed > 500, "the policies must have something to say"


# ------------------------------------------------------------------------------------------------------------ choosing
def test_snapshots_are_chosen_as_restic_chooses_them() -> None:
    shots = [_shot(number, NOON, Random(number)) for number in range(60)]
    either = Which.of(tags=["daily", "weekly"])
    both = Which.of(tags=["daily,weekly"])
    assert [shot for shot in shots if either.fits(shot)] == [s for s in shots if {"daily", "weekly"} & set(s.info.tags)]
    assert [shot for shot in shots if both.fits(shot)] == [s for s in shots if {"daily", "weekly"} <= set(s.info.tags)]
    assert all(not shot.info.tags for shot in shots if Which.of(tags=[""]).fits(shot))
    paths = Which.of(paths=[b"/a/", b"/b"])
    assert {len(shot.info.roots) for shot in shots if paths.fits(shot)} == {2}
    assert {shot.info.host for shot in shots if Which.of(hosts=["laptop"]).fits(shot)} == {"laptop"}


def test_the_newest_of_each_host_and_its_folders() -> None:
    shots = [_shot(number, NOON, Random(number)) for number in range(60)]
    found = newest_of_each(shots, 2)
    assert found == sorted(found, key=lambda shot: shot.seq)
    by_group = grouped(shots, ("host", "paths"))
    assert len(found) == sum(min(2, len(group)) for group in by_group.values())
    assert shots[-1] in found
    assert group_of(shots[-1], ("host", "paths")) in by_group


def test_groups_have_restics_names_and_no_others() -> None:
    assert parse_groups("paths,host") == ("host", "paths")
    assert (parse_groups(""), parse_groups("tag")) == ((), ("tags",))
    with pytest.raises(ConfigError, match="'level'"):
        parse_groups("host,level")
