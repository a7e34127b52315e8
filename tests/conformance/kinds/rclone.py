"""Places behind rclone: a folder, WebDAV, S3; behind a proxy that brings faults about; and a process a request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.conformance import servers, servers_rclone
from tests.conformance.kind import (
    ANY_FAULT,
    PREFIX,
    SLOW_TIMEOUT,
    UNDER_FAULTS,
    Deviation,
    Kind,
    injector,
    injectors,
    needing,
)
from tests.conformance.kinds import s3_deviations
from webraid.backend.conformance import CHECKS, Subject, faults, objects, promises
from webraid.backend.conformance.hygiene import no_secret_in_logs_or_repr
from webraid.backend.conformance.listing import list_during_writes, list_longer_than_a_page
from webraid.backend.conformance.objects import (
    every_size_comes_back,
    readers_during_an_overwrite_never_see_a_torn_object,
    usage_is_plausible,
)
from webraid.backend.conformance.subject import put
from webraid.errors import RateLimited, Unavailable
from webraid.model import Usage
from webraid_rclone import RcloneBackend, RcloneOptions

Upstream = Callable[[Path], contextlib.AbstractContextManager[servers.Server]]
Section = Callable[[servers.Server], str]
S3 = f"x:{servers_rclone.BUCKET}"


def subject(options: RcloneOptions, secrets: Mapping[str, str], hidden: tuple[str, ...] = ()) -> Subject:
    """A folder made now.  ``hidden``: what must turn up nowhere."""
    with contextlib.closing(RcloneBackend.connect(options, secrets)) as backend:
        backend.prepare()
        caps = backend.caps
    return Subject(
        open=lambda: RcloneBackend.connect(options, secrets),
        caps=caps,
        prefix=PREFIX,
        page=100,
        secrets=hidden,
        shown=(options, replace(options, **secrets)),
    )


def folder(**options: str) -> Callable[[Path], contextlib.AbstractContextManager[Subject]]:
    @contextlib.contextmanager
    def make(path: Path) -> Iterator[Subject]:
        chosen = RcloneOptions(remote=f":local:{path}/a disk", **options)  # type: ignore[arg-type]
        yield replace(subject(chosen, {}), page=100 if options.get("transport") != "process" else 10)

    return make


def debian(path: Path) -> contextlib.AbstractContextManager[Subject]:
    return folder(binary=servers_rclone.debian_rclone())(path)


def served(upstream: Upstream, section: Section, remote: str = "x:", timeout: float = 30.0):
    """A disk at a server, and the same with a proxy between."""

    @contextlib.contextmanager
    def make(path: Path) -> Iterator[Subject]:
        with upstream(path / "served") as server:
            yield at(server)

    @contextlib.contextmanager
    def faulty(path: Path) -> Iterator[Subject]:
        with upstream(path / "served") as server, servers.faulty_front(server) as front:
            behind = at(replace(server, port=front.port))
            able = injectors(front) if timeout > 1 else {"slow": injector(front, "slow")}
            yield replace(behind, faults=able, requests=front.requests)

    def at(server: servers.Server) -> Subject:
        secret = section(server)
        subject(RcloneOptions(remote=remote), {"section": secret})
        secret = servers_rclone.sure_of_its_bucket(secret)
        hidden = (server.secret_key, servers_rclone.password_in(secret))
        return subject(RcloneOptions(remote=remote, timeout=timeout), {"section": secret}, hidden)

    return make, faulty


dav, _ = served(servers_rclone.wsgidav, servers_rclone.dav_section)
rclone_dav, _ = served(servers_rclone.rclone_dav, servers_rclone.dav_section)
moto, moto_faults = served(servers_rclone.moto, servers_rclone.s3_section, S3)
rclone_s3, _ = served(servers_rclone.rclone_s3, servers_rclone.s3_section, S3)
_, slow = served(servers_rclone.moto, servers_rclone.s3_section, S3, SLOW_TIMEOUT)

# After each failure rclone's S3 waits longer, up to two seconds: what fails often takes long, and is for 'make deep'.
PATIENT = {
    faults.a_server_that_is_gone_is_unavailable, faults.a_busy_server_is_worth_another_try,
    faults.too_many_requests_is_rate_limited, faults.retry_after_is_handed_on, faults.a_reset_is_unavailable,
    promises.no_retries_inside, promises.only_backend_error_and_its_children_come_out, no_secret_in_logs_or_repr,
}  # fmt: skip
# Many objects: for 'make deep' where each takes long (rclone waits 10 ms between two requests to WebDAV).
MANY = {list_longer_than_a_page, promises.an_instance_is_used_by_one_thread_only}
LONG = {list_during_writes, readers_during_an_overwrite_never_see_a_torn_object, every_size_comes_back}
# These servers take away what a MOVE goes over before they move: see the deviations of webdav.
OVERWRITES = {list_during_writes, readers_during_an_overwrite_never_see_a_torn_object}
QUICK_FAULTS = tuple(check for check in UNDER_FAULTS if check not in PATIENT)
DAV = tuple(check for check in CHECKS if check not in OVERWRITES)
QUICK_DAV = tuple(check for check in DAV if check not in MANY)
# Many requests, where each is a process.
REPEATING = {
    promises.put_is_whole_or_not_at_all, promises.a_missing_name_is_object_not_found,
    promises.only_backend_error_and_its_children_come_out,
    objects.sixteen_threads_putting_one_name_leave_one_whole_object,
}  # fmt: skip
QUICK_PROCESS = tuple(check for check in CHECKS if check not in MANY | LONG | REPEATING)
_BARE = ANY_FAULT | needing("secrets")
_NO_USAGE = ANY_FAULT | needing("caps.usage")
_NO_HASH = ANY_FAULT | needing("caps.hashes")


def _tells_no_wait(subject: Subject) -> bool:
    with subject.opened() as backend, subject.faults["limited_for_7"]():
        try:
            put(backend, "deviation/wait", b"1")
        except RateLimited as error:
            return error.retry_after is None
    return False


def _tells_no_figure(subject: Subject) -> bool:
    with subject.opened() as backend:
        return backend.caps.usage and backend.usage() == Usage()


def _asks_twice(subject: Subject) -> bool:
    assert subject.requests
    with subject.opened() as backend:
        put(backend, "deviation/twice", b"1")
        before = subject.requests()
        with subject.faults["busy"](), contextlib.suppress(Unavailable):
            backend.stat("deviation/twice")
        return subject.requests() - before == 2


KINDS: Mapping[str, Kind] = {
    "rclone-folder": Kind(folder(), without=_BARE, backend="rclone", server="a folder"),
    "rclone-process": Kind(folder(transport="process"), without=_BARE, checks=QUICK_PROCESS),
    "rclone-dav": Kind(dav, without=_NO_HASH, checks=QUICK_DAV),
    "rclone-moto": Kind(moto, without=_NO_USAGE, backend="rclone", server="S3 (moto)"),
    "rclone-faults": Kind(moto_faults, checks=QUICK_FAULTS),
    "rclone-slow": Kind(slow, checks=(faults.a_body_that_stops_is_given_up,)),
    "rclone-process-all": Kind(
        folder(transport="process"), without=_BARE, backend="rclone", server="a folder, a process a request", deep=True
    ),
    "rclone-old": Kind(debian, without=_BARE, backend="rclone", server="a folder, Debian's rclone", deep=True),
    "rclone-dav-all": Kind(dav, without=_NO_HASH, checks=DAV, backend="rclone", server="WebDAV (wsgidav)", deep=True),
    "rclone-dav-rclone": Kind(
        rclone_dav, without=_NO_HASH, checks=DAV, backend="rclone",
        server="WebDAV (rclone serve webdav)", deep=True,
        deviates=frozenset({usage_is_plausible.__name__}),
    ),
    "rclone-s3": Kind(
        rclone_s3, without=_NO_USAGE, backend="rclone", server="S3 (rclone serve s3)", deep=True,
        deviates=frozenset({readers_during_an_overwrite_never_see_a_torn_object.__name__}),
    ),
    "rclone-faults-all": Kind(
        moto_faults, checks=UNDER_FAULTS, deep=True,
        deviates=frozenset({faults.retry_after_is_handed_on.__name__, promises.no_retries_inside.__name__}),
    ),
}  # fmt: skip
DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "rclone-s3", "torn reads of what is being overwritten", s3_deviations.torn_read,
        "only hints are ever overwritten, and a hint is never trusted",
        check=readers_during_an_overwrite_never_see_a_torn_object.__name__,
    ),
    Deviation(
        "rclone-dav-rclone", "a quota is offered and never told", _tells_no_figure,
        "no figure is no figure; set capacity where there is a limit",
        check=usage_is_plausible.__name__,
    ),
    Deviation(
        "rclone-faults-all", "Retry-After does not get through rclone", _tells_no_wait,
        "it is RateLimited all the same, and waits grow from try to try",
        check=faults.retry_after_is_handed_on.__name__,
    ),
    Deviation(
        "rclone-faults-all", "rclone's S3 asks a second time", _asks_twice,
        "its pacer is fixed to two tries for all but puts; one more request is no storm",
        check=promises.no_retries_inside.__name__,
    ),
)  # fmt: skip
