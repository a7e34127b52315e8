"""Folders on SSH servers: asyncssh's with faults, the same as an old one, 'rclone serve sftp', and OpenSSH."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.conformance import servers_sftp
from tests.conformance.kind import ANY_FAULT, PREFIX, Kind, injector, needing
from tests.conformance.kinds import sftp_deviations
from tests.conformance.servers import FaultyFront
from webraid.backend.conformance import Check, Subject
from webraid.backend.conformance.faults import a_body_that_stops_is_given_up
from webraid_sftp import SftpBackend, SftpOptions

PATIENCE = 1.5  # seconds; only for the one check that waits for it to pass, and long enough for a login


def sftp_subject(server: servers_sftp.SftpServer, *, port: int = 0, timeout: float = 30.0) -> Subject:
    """A folder at ``server``, made now."""
    options = SftpOptions(
        "127.0.0.1", server.user, server.path, port=port or server.port, known_host_key=server.keys.host,
        timeout=timeout,
    )  # fmt: skip
    secrets = {"key": server.keys.user}
    with contextlib.closing(SftpBackend.connect(options, secrets)) as backend:
        backend.prepare()
    return Subject(
        open=lambda: SftpBackend.connect(options, secrets),
        caps=SftpBackend.caps,
        prefix=PREFIX,
        secrets=tuple(line for line in server.keys.user.splitlines() if not line.startswith("-")),
        shown=(options, options.with_secrets(secrets)),
    )


@contextlib.contextmanager
def sftp_faults(folder: Path) -> Iterator[Subject]:
    with servers_sftp.sftp_asyncssh(folder) as server, servers_sftp.tcp_front(server.port) as front:
        subject = sftp_subject(server, port=front.port)
        inner = FaultyFront(server.port, server.process)
        yield replace(subject, faults=servers_sftp.fault_injectors(server, front), requests=inner.requests)


@contextlib.contextmanager
def sftp_old(folder: Path) -> Iterator[Subject]:
    with servers_sftp.sftp_asyncssh(folder, "--old") as server:
        subject = sftp_subject(server)
        yield replace(subject, caps=replace(subject.caps, usage=False))


@contextlib.contextmanager
def sftp_rclone(folder: Path) -> Iterator[Subject]:
    with servers_sftp.sftp_rclone(folder) as server:
        yield sftp_subject(server)


@contextlib.contextmanager
def sftp_openssh(folder: Path) -> Iterator[Subject]:
    with servers_sftp.sftp_openssh(folder) as server, servers_sftp.tcp_front(server.port) as front:
        subject = sftp_subject(server, port=front.port)
        yield replace(subject, faults={name: injector(front, name) for name in servers_sftp.BY_PROXY})


@contextlib.contextmanager
def sftp_slow(folder: Path) -> Iterator[Subject]:
    with servers_sftp.sftp_asyncssh(folder) as server, servers_sftp.tcp_front(server.port) as front:
        subject = sftp_subject(server, port=front.port, timeout=PATIENCE)
        yield replace(subject, faults={"slow": injector(front, "slow")})


_NOT_HERE = needing("limited", "limited_for_7", "slow", "caps.hashes")


def _names(checks: tuple[Check, ...]) -> frozenset[str]:
    return frozenset(check.__name__ for check in checks)


KINDS: Mapping[str, Kind] = {
    "sftp-asyncssh": Kind(sftp_faults, without=_NOT_HERE, backend="sftp", server="asyncssh"),
    "sftp-old": Kind(
        sftp_old,
        without=ANY_FAULT | needing("caps.hashes", "caps.usage"),
        deviates=_names(sftp_deviations.WHILE_OVERWRITTEN),
        backend="sftp",
        server="asyncssh without extensions",
    ),
    "sftp-rclone": Kind(
        sftp_rclone,
        without=ANY_FAULT | needing("caps.hashes"),
        deviates=_names((*sftp_deviations.WHEN_RACED, *sftp_deviations.WHILE_READ)),
        backend="sftp",
        server="rclone serve sftp",
    ),
    "sftp-openssh": Kind(
        sftp_openssh,
        without=_NOT_HERE | needing(*servers_sftp.BY_SERVER),
        backend="sftp",
        server="OpenSSH",
        deep=True,
    ),
    "sftp-slow": Kind(sftp_slow, checks=(a_body_that_stops_is_given_up,)),
}
DEVIATIONS = sftp_deviations.DEVIATIONS
