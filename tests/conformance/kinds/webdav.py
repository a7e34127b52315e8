"""WebDAV: wsgidav, 'rclone serve webdav', nginx, a fake Nextcloud, and some of them behind a proxy that brings faults
about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.conformance import servers_webdav as dav
from tests.conformance.kind import (
    ANY_FAULT,
    PREFIX,
    SLOW_TIMEOUT,
    UNDER_FAULTS,
    Kind,
    injector,
    injectors,
    needing,
)
from tests.conformance.kinds import webdav_deviations
from tests.conformance.kinds.webdav_deviations import SHOW_A_GAP
from tests.fakes.nextcloud import Nextcloud, nextcloud
from webraid.backend.conformance import Subject
from webraid.backend.conformance.faults import a_body_that_stops_is_given_up
from webraid_webdav import WebdavBackend, WebdavOptions
from webraid_webdav.options import Provider
from webraid_webdav.place import place

Serve = Callable[[Path], contextlib.AbstractContextManager[dav.DavServer]]


def dav_subject(server: dav.DavServer, *, usage: bool = True, timeout: float = 30.0, **more: str) -> Subject:
    """A folder at ``server``, made now.  ``usage``: whether it tells a quota."""
    place.cache_clear()  # ports come again, and with them the place of another server
    options = WebdavOptions(f"{server.url}a%20folder/of-mine", server.user, timeout=timeout, **more)  # type: ignore[arg-type]
    secrets = {"password": server.password}
    with contextlib.closing(WebdavBackend.connect(options, secrets)) as backend:
        backend.prepare()
        caps = replace(backend.caps, usage=usage)
    return Subject(
        open=lambda: WebdavBackend.connect(options, secrets),
        caps=caps,
        prefix=PREFIX,
        secrets=server.secrets,
        shown=(options, replace(options, **secrets)),
    )


def _plain(serve: Serve, *, usage: bool = True, **more: str):
    @contextlib.contextmanager
    def make(folder: Path) -> Iterator[Subject]:
        with serve(folder) as server:
            yield dav_subject(server, usage=usage, **more)

    return make


def _front(serve: Serve, *, usage: bool = True, **more: str):
    @contextlib.contextmanager
    def faults(folder: Path) -> Iterator[Subject]:
        with serve(folder) as server, dav.dav_front(server) as front:
            subject = dav_subject(replace(server, port=front.port), usage=usage, **more)
            yield replace(subject, faults=injectors(front), requests=front.requests)

    return faults


@contextlib.contextmanager
def dav_slow(folder: Path) -> Iterator[Subject]:
    with dav.wsgidav(folder) as server, dav.dav_front(server) as front:
        subject = dav_subject(replace(server, port=front.port), timeout=SLOW_TIMEOUT)
        yield replace(subject, faults={"slow": injector(front, "slow")})


def _cloud(*, owncloud: bool):
    """The fake, as people give its address: bare, with the provider."""

    @contextlib.contextmanager
    def make(folder: Path) -> Iterator[Subject]:
        with nextcloud(Nextcloud(owncloud=owncloud)) as cloud:
            provider: Provider = "owncloud" if owncloud else "nextcloud"
            options = WebdavOptions(cloud.origin, cloud.user, provider=provider)
            secrets = {"password": cloud.password}
            with contextlib.closing(WebdavBackend.connect(options, secrets)) as backend:
                backend.prepare()
                caps = backend.caps
            yield Subject(
                open=lambda: WebdavBackend.connect(options, secrets),
                caps=caps,
                prefix=PREFIX,
                secrets=dav.DavServer(0, cloud.user, cloud.password).secrets,
                shown=(options, replace(options, **secrets)),
            )

    return make


def _cloud_faults(folder: Path) -> contextlib.AbstractContextManager[Subject]:
    return _faulty_cloud()


@contextlib.contextmanager
def _faulty_cloud() -> Iterator[Subject]:
    with nextcloud() as cloud, dav.dav_front(dav.DavServer(cloud.port)) as front:
        server = dav.DavServer(front.port, cloud.user, cloud.password, "/remote.php/dav/files/ada%20lovelace/")
        subject = dav_subject(server, provider="nextcloud")
        yield replace(subject, faults=injectors(front), requests=front.requests)


_WITHOUT = ANY_FAULT | needing("caps.hashes")
_NO_USAGE = needing("caps.usage")
KINDS: Mapping[str, Kind] = {
    "webdav-wsgidav": Kind(
        _plain(dav.wsgidav), without=_WITHOUT, deviates=SHOW_A_GAP, backend="webdav", server="wsgidav 4.4"
    ),
    "webdav-rclone": Kind(
        _plain(dav.rclone, usage=False),
        without=_WITHOUT | _NO_USAGE,
        deviates=SHOW_A_GAP,
        backend="webdav",
        server="rclone serve webdav",
    ),
    "webdav-nginx": Kind(
        _plain(dav.nginx, usage=False),
        without=_WITHOUT | _NO_USAGE,
        backend="webdav",
        server="nginx with dav-ext",
        deep=True,
    ),
    "webdav-nextcloud": Kind(_cloud(owncloud=False), without=ANY_FAULT, backend="webdav", server="a fake Nextcloud"),
    "webdav-owncloud": Kind(_cloud(owncloud=True), without=ANY_FAULT, backend="webdav", server="a fake ownCloud"),
    "webdav-faults-nextcloud": Kind(_cloud_faults, checks=UNDER_FAULTS),
    "webdav-faults-wsgidav": Kind(_front(dav.wsgidav), checks=UNDER_FAULTS),
    "webdav-faults-nginx": Kind(_front(dav.nginx, usage=False), checks=UNDER_FAULTS, deep=True),
    "webdav-slow": Kind(dav_slow, checks=(a_body_that_stops_is_given_up,)),
}
DEVIATIONS = webdav_deviations.DEVIATIONS
