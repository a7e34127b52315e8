"""Asking every disk what it has of the log, and turning that into verified records.  Network, but no decisions about
membership or commits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from webraid.backend.base import Backend, Digest
from webraid.backend.disk import Disk
from webraid.codec.records import parse_name
from webraid.env import Env
from webraid.errors import BackendError, IntegrityError, ObjectNotFound, SealBroken
from webraid.table.gather import gather
from webraid.table.log import LogBook
from webraid.table.verify import Verifier

MARKER = "pool"
LOG = "log/"
HINT = "hint/"


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


@dataclass(slots=True)
class Survey:
    """What one disk answered.  ``marker``: None when there is none.  ``spot``: the bytes of the record that was read
    back to see whether the disk still serves what it was given."""

    marker: Marker | None
    names: set[str] = field(default_factory=set)
    hints: dict[str, str] = field(default_factory=dict)
    spot: bytes | None = None


def _survey(backend: Backend, spot: bool, devices: Iterable[bytes]) -> Survey:
    try:
        answer = Survey(read_marker(backend.get(MARKER)))
    except ObjectNotFound:
        return Survey(None)
    answer.names = {stored.name for stored in backend.list(LOG)}
    for device in devices:  # a hint covers a listing that lags; it is believed only as far as the record it names
        try:
            name = backend.get(HINT + device.hex()).decode("ascii", "replace")
            if name not in answer.names:
                answer.hints[device.hex()] = name
        except ObjectNotFound:
            continue
    if spot and answer.names:
        answer.spot = backend.get(max(answer.names))
    return answer


def _asking(spot: bool, devices: tuple[bytes, ...]) -> Callable[[Backend], Survey]:
    return lambda backend: _survey(backend, spot, devices)


def survey(
    disks: Iterable[Disk], env: Env, *, book: LogBook, need: int, patience: float, spot: bool
) -> tuple[dict[bytes, Survey], dict[bytes, BackendError]]:
    """Ask all disks in parallel.  ``need``: answers after which late disks get only a little more time."""
    lagging = {disk.id: disk.caps.list_consistency == "eventual" for disk in disks}
    futures: dict[bytes, Future[Survey]] = {}
    for disk in disks:
        devices = tuple(book.logs) if lagging[disk.id] else ()
        futures[disk.id] = disk.call(_asking(spot, devices))
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

    def fetch(self, wanted: Mapping[str, Iterable[bytes]], book: LogBook) -> None:
        """Add every record of ``wanted`` (name -> disks that should have it) that somebody serves whole to ``book``."""
        first = {name: disks for name, disks in wanted.items() if parse_name(name)[1] == 1}
        rest = {name: disks for name, disks in wanted.items() if name not in first}
        for part in (first, rest):  # a device's first record holds the certificate that all others are checked with
            self._fetch({name: list(disks) for name, disks in part.items()}, book)

    def _fetch(self, turns: dict[str, list[bytes]], book: LogBook) -> None:
        while turns:
            futures = {}
            for i, (name, disks) in enumerate(list(turns.items())):
                if not disks:
                    del turns[name]
                    continue
                disk = disks.pop(i % len(disks))
                futures[name, disk] = self._disks[disk].get(name, urgent=True)
            answers, _ = gather(futures, self._env, enough=lambda _: False, patience=self._patience)
            for (name, disk), blob in sorted(answers.items(), key=lambda item: parse_name(item[0][0])[:2]):
                if self._accept(name, disk, blob, book):
                    turns.pop(name, None)

    def _accept(self, name: str, disk: bytes, blob: bytes, book: LogBook) -> bool:
        if not self._verifier.knows(name):
            return False  # nobody serves the certificate of that device: says nothing about this disk
        try:
            record = self._verifier.open(blob, name)
        except IntegrityError as error:
            self.liars[disk] = str(error)
            return False
        book.add(record)
        self.blobs[name] = blob
        return True
