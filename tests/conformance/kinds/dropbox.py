"""Dropbox: its real SDK against the fake of tests/fakes, which can bring every fault about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conformance.kind import PREFIX, SLOW_TIMEOUT, Deviation, Kind
from tests.fakes.dropbox import FakeDropbox, fake_dropbox
from webraid.backend.conformance import FAULTS, Subject
from webraid.backend.conformance.faults import a_body_that_stops_is_given_up
from webraid_dropbox import DropboxBackend, DropboxOptions

PAGE = 100  # names an answer to a listing holds, so that one page more is soon reached


def dropbox_subject(dropbox: FakeDropbox, *, timeout: float = 30.0, folder: str = "Backups/My Disk") -> Subject:
    """A folder of the app's folder, made now."""
    options = DropboxOptions(dropbox.app_key, folder=folder, endpoint=dropbox.url, timeout=timeout)
    refresh = dropbox.refresh_token()
    secrets = {"token": refresh}
    with contextlib.closing(DropboxBackend.connect(options, secrets)) as backend:
        backend.prepare()
    return Subject(
        open=lambda: DropboxBackend.connect(options, secrets),
        caps=DropboxBackend.caps,
        prefix=PREFIX,
        secrets=(refresh, f"{dropbox.oauth.prefix}-access-"),
        shown=(options, options.with_secrets(secrets)),
        page=PAGE,
    )


def _injector(dropbox: FakeDropbox, name: str) -> Any:
    return lambda: dropbox.fault(name)


@contextlib.contextmanager
def dropbox_fake(folder: Path) -> Iterator[Subject]:
    with fake_dropbox() as dropbox:
        dropbox.store.page = PAGE
        faults = {name: _injector(dropbox, name) for name in FAULTS if name != "slow"}
        yield replace(dropbox_subject(dropbox), faults=faults, requests=dropbox.requests)


@contextlib.contextmanager
def dropbox_slow(folder: Path) -> Iterator[Subject]:
    with fake_dropbox() as dropbox:
        subject = dropbox_subject(dropbox, timeout=SLOW_TIMEOUT, folder="")
        yield replace(subject, faults={"slow": _injector(dropbox, "slow")})


KINDS: Mapping[str, Kind] = {
    "dropbox-fake": Kind(
        dropbox_fake,
        without=frozenset({a_body_that_stops_is_given_up.__name__}),
        backend="dropbox",
        server="our fake, through the real SDK",
    ),
    "dropbox-slow": Kind(dropbox_slow, checks=(a_body_that_stops_is_given_up,)),
}
DEVIATIONS: tuple[Deviation, ...] = ()
