"""A scripted server, a disk at it, and a fake Nextcloud with a disk at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.fakes.nextcloud import Nextcloud, nextcloud
from tests.unit.webdav.scripted import Scripted, scripted
from webraid_webdav import WebdavBackend, WebdavOptions
from webraid_webdav.place import place


@pytest.fixture(autouse=True)
def _nothing_is_known() -> None:
    """Ports come again, and with them the place of another test."""
    place.cache_clear()


@pytest.fixture
def script() -> Iterator[Scripted]:
    with scripted() as made:
        yield made


@pytest.fixture
def disk(script: Scripted) -> Iterator[WebdavBackend]:
    with contextlib.closing(script.backend()) as backend:
        yield backend


@pytest.fixture
def cloud() -> Iterator[Nextcloud]:
    with nextcloud() as made:
        yield made


def at(cloud: Nextcloud, **more: object) -> WebdavBackend:
    provider = "owncloud" if cloud.owncloud else "nextcloud"
    options = WebdavOptions(cloud.origin, cloud.user, provider=provider, **more)  # type: ignore[arg-type]
    return WebdavBackend.connect(options, {"password": cloud.password})


@pytest.fixture
def files(cloud: Nextcloud) -> Iterator[WebdavBackend]:
    """A disk in the cloud, made ready."""
    with contextlib.closing(at(cloud)) as backend:
        backend.prepare()
        cloud.seen.clear()
        yield backend
