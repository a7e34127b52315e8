"""Asking every disk what it has of the log, and turning that into verified records.  Network, but no decisions about
membership or commits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from webraid.backend.base import Backend, Digest
from webraid.backend.disk import Disk
from webraid.codec.records import is_first, parse_name, peek
from webraid.env import Env
from webraid.errors import BackendError, IntegrityError, ObjectNotFound, SealBroken
from webraid.table.gather import gather
from webraid.table.log import LogBook, is_name
from webraid.table.verify import Verifier

MARKER = "pool"
LOG = "log/"
HINT = "hint/"
SPOTS = 8  # first records read back, at most
LIES = 20  # damaged records after which a disk is not asked for more
AT_ONCE = 500  # records asked for at a time


def marker(pool: bytes, disk: bytes) -> bytes:
    """The clear object that says whose disk this is."""
    about = "This folder is one disk of a WebRAID pool. Do not change or delete anything in it. See webraid --help."
    return json.dumps({"webraid": 1, "pool": pool.hex(), "disk": disk.hex(), "about": about}, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose disk it is."""

    pool: bytes
    disk: bytes


def read_marker(data: bytes) -> Marker:
    """Raises SealBroken when it is not a marker."""
    try:
        parsed = json.loads(data)
        return Marker(bytes.fromhex(parsed["pool"]), bytes.fromhex(parsed["disk"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SealBroken("the marker object 'pool' is damaged") from error


def digest_of(data: bytes) -> Digest:
    """The digests that put wants, for small objects."""
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())


Pick = Callable[[Sequence[str]], set[str]]


@dataclass(slots=True)
class Survey:
    """What one disk answered.  ``marker``: None when there is none.  ``problem``: why nothing it says can be used.
    ``spots``: records read back, by name, to see whether the disk still serves what it was given."""

    marker: Marker | None
    names: set[str] = field(default_factory=set)
    hints: set[str] = field(default_factory=set)
    spots: dict[str, bytes] = field(default_factory=dict)
    problem: str = ""


def _survey(backend: Backend, pick: Pick, devices: Iterable[bytes], known: Container[str]) -> Survey:
    try:
        answer = Survey(read_marker(backend.get(MARKER)))
    except ObjectNotFound:
        something = next(iter(backend.list("")), None)
        return Survey(None, problem="the pool's marker is gone, though other objects are there" if something else "")
    except SealBroken as error:
        return Survey(None, problem=str(error))
    listed = [name for name in backend.list_names(LOG) if name in known or is_name(name)]
    answer.names = set(listed)
    answer.hints = {name for device in devices if is_name(name := _hint(backend, device))} - answer.names
    answer.spots = {name: backend.get(name) for name in pick(listed)}
    return answer


def _hint(backend: Backend, device: bytes) -> str:
    """A hint covers a listing that lags; it is believed only as far as the record it names."""
    try:
        return backend.get(HINT + device.hex()).decode("ascii", "replace")
    except ObjectNotFound:
        return ""


def _asking(pick: Pick, devices: tuple[bytes, ...], known: Container[str]) -> Callable[[Backend], Survey]:
    return lambda backend: _survey(backend, pick, devices, known)


def survey(
    disks: Iterable[Disk], env: Env, *, book: LogBook, need: int, patience: float, spot: bool
) -> tuple[dict[bytes, Survey], dict[bytes, BackendError]]:
    """Ask all disks in parallel.  ``need``: answers after which late disks get only a little more time."""

    def pick(names: Sequence[str]) -> set[str]:
        """Each device's first record, of which one is as old as the disk, and any other one."""
        firsts = [name for name in names if is_first(name)] if spot else []
        others = [name for name in names if not is_first(name)] if spot else []
        return {*sorted(firsts)[:SPOTS], *([env.rng.choice(others)] if others else [])}

    lagging = {disk.id: disk.caps.list_consistency == "eventual" for disk in disks}
    futures: dict[bytes, Future[Survey]] = {}
    for disk in disks:
        devices = tuple(book.logs) if lagging[disk.id] else ()
        futures[disk.id] = disk.call(_asking(pick, devices, book.names))
    return gather(futures, env, enough=lambda answers: len(answers) >= need, patience=patience)


class Fetcher:
    """Gets records by name from whoever has them; notes who serves damaged ones."""

    def __init__(self, disks: Mapping[bytes, Disk], env: Env, verifier: Verifier, patience: float) -> None:
        self._disks = disks
        self._env = env
        self._verifier = verifier
        self._patience = patience
        self.liars: dict[bytes, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.unread: dict[str, BackendError] = {}  # records that somebody lists and nobody delivered
        self._lies: Counter[bytes] = Counter()
        self._later: dict[str, tuple[bytes, bytes]] = {}  # records of an epoch whose root is not known (yet)

    def fetch(self, wanted: Mapping[str, Iterable[bytes]], book: LogBook) -> None:
        """Add every record of ``wanted`` (name -> disks that should have it) that somebody serves whole to ``book``."""
        first = {name: disks for name, disks in wanted.items() if is_first(name)}
        rest = {name: disks for name, disks in wanted.items() if name not in first}
        for part in (first, rest):  # a device's first record holds the certificate that all others are checked with
            names = sorted(part)
            for start in range(0, len(names), AT_ONCE):
                self._fetch({name: list(part[name]) for name in names[start : start + AT_ONCE]}, book)
        self._look_again(book)

    def _look_again(self, book: LogBook) -> None:
        """Records may have brought the root that others wait for.  Whose root never came are passed over; of an epoch
        that nobody began they are made up."""
        opened = True
        while opened:
            waiting, self._later = self._later, {}
            for name in sorted(waiting, key=lambda name: parse_name(name)[:2]):
                self._accept(name, *waiting[name], book)
            opened = any(name in book.names for name in waiting)
        for disk, blob in self._later.values():
            if peek(blob).epoch not in self._verifier.announced:
                self.liars[disk] = "a log record is of an epoch that never began"
        self._later = {}

    def _fetch(self, turns: dict[str, list[bytes]], book: LogBook) -> None:
        while turns:
            futures = {}
            for i, (name, disks) in enumerate(list(turns.items())):
                asked = [disk for disk in disks if self._lies[disk] < LIES]
                if not asked:
                    del turns[name]
                    continue
                disk = asked[i % len(asked)]
                disks.remove(disk)
                futures[name, disk] = self._disks[disk].get(name, urgent=True)
            answers, errors = gather(futures, self._env, enough=lambda _: False, patience=self._patience)
            self.unread |= {name: e for (name, _), e in errors.items() if not isinstance(e, ObjectNotFound)}
            for (name, disk), blob in sorted(answers.items(), key=lambda item: parse_name(item[0][0])[:2]):
                if self._accept(name, disk, blob, book):
                    turns.pop(name, None)

    def _accept(self, name: str, disk: bytes, blob: bytes, book: LogBook) -> bool:
        if self._verifier.lacks_root(blob, name):
            self._later[name] = (disk, blob)
            return True
        if not self._verifier.knows(name):
            return False  # nobody serves the certificate of that device: says nothing about this disk
        try:
            record = self._verifier.open(blob, name)
        except IntegrityError as error:
            self.liars[disk] = str(error)
            self._lies[disk] += 1
            return False
        book.add(record)
        self.blobs[name] = blob
        self.unread.pop(name, None)
        return True
