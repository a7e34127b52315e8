"""Google Drive: the real SDK against the fake of tests/fakes/drive.py, whose searches tell all at once, or lag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.conformance.kind import PREFIX, SLOW_TIMEOUT, Deviation, Kind, needing
from tests.fakes.drive import CLIENT, FakeDrive, fake_drive
from webraid.backend.conformance import FAULTS, Subject
from webraid.backend.conformance.faults import a_body_that_stops_is_given_up
from webraid_gdrive import DriveBackend, DriveOptions

PAGE = 100  # names in one answer: Drive may give fewer than the 1000 it is asked for
LAG = 0.4  # seconds; the real one takes up to minutes


def subject_at(drive: FakeDrive, *, timeout: float = 30.0, without: tuple[str, ...] = ("slow",)) -> Subject:
    """A folder in a Drive, made now."""
    options = DriveOptions(endpoint=drive.url, timeout=timeout)
    secrets = {"client_secret": drive.client_json(), "token": drive.token_json()}
    with contextlib.closing(DriveBackend.connect(options, secrets)) as backend:
        backend.prepare()
    return Subject(
        open=lambda: DriveBackend.connect(options, secrets),
        caps=DriveBackend.caps,
        prefix=PREFIX,
        page=PAGE,
        lag=LAG * 10,
        secrets=(CLIENT.secret, f"{drive.oauth.prefix}-access-", f"{drive.oauth.prefix}-refresh-"),
        shown=(options, options.with_secrets(secrets)),
        faults={name: _injector(drive, name) for name in FAULTS if name not in without},
        requests=drive.requests,
    )


def _injector(drive: FakeDrive, name: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    return lambda: drive.fault(name)


@contextlib.contextmanager
def gdrive(folder: Path) -> Iterator[Subject]:
    with fake_drive() as drive:
        drive.store.page = PAGE
        drive.store.quota = 15 << 30
        yield subject_at(drive)


@contextlib.contextmanager
def gdrive_lagging(folder: Path) -> Iterator[Subject]:
    with fake_drive() as drive:
        drive.store.page = PAGE
        subject = subject_at(drive)
        drive.store.lag = LAG
        yield subject


@contextlib.contextmanager
def gdrive_slow(folder: Path) -> Iterator[Subject]:
    with fake_drive() as drive:
        yield subject_at(drive, timeout=SLOW_TIMEOUT, without=tuple(set(FAULTS) - {"slow"}))


KINDS: Mapping[str, Kind] = {
    "gdrive": Kind(gdrive, without=needing("slow"), backend="gdrive", server="fake Drive"),
    "gdrive-lagging": Kind(
        gdrive_lagging, without=needing("slow"), backend="gdrive", server="fake Drive, lagging lists"
    ),
    "gdrive-slow": Kind(gdrive_slow, checks=(a_body_that_stops_is_given_up,)),
}
DEVIATIONS: tuple[Deviation, ...] = ()
