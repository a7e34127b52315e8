"""Buckets: moto, 'rclone serve s3', the lab, and the first two behind a proxy that brings faults about."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tests.conformance import servers
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
from tests.conformance.kinds import s3_deviations
from webraid.backend.conformance import FAULTS, Subject
from webraid.backend.conformance.faults import a_body_that_stops_is_given_up
from webraid.backend.conformance.objects import readers_during_an_overwrite_never_see_a_torn_object
from webraid.lab import Cloud, Lab, LinkSpec, Profile, start
from webraid_s3 import S3Backend, S3Options


def s3_subject(server: servers.Server, *, bucket: str = "conformance", timeout: float = 30.0, **more: str) -> Subject:
    """A bucket at ``server``, made now."""
    options = S3Options(bucket, endpoint=server.endpoint, timeout=timeout, **more)  # type: ignore[arg-type]
    secrets = {"access_key": server.access_key, "secret_key": server.secret_key}
    with contextlib.closing(S3Backend.connect(options, secrets)) as backend:
        backend.prepare()
    return Subject(
        open=lambda: S3Backend.connect(options, secrets),
        caps=S3Backend.caps,
        prefix=PREFIX,
        secrets=(server.access_key, server.secret_key),
        shown=(options, options.with_secrets(secrets)),
    )


@contextlib.contextmanager
def s3_moto(folder: Path) -> Iterator[Subject]:
    with servers.moto() as server:
        yield s3_subject(server, prefix="a folder/of mine")


@contextlib.contextmanager
def s3_versions(folder: Path) -> Iterator[Subject]:
    """As Backblaze's buckets are from the start."""
    with servers.moto() as server:
        subject = s3_subject(server)
        with subject.opened() as backend:
            assert isinstance(backend, S3Backend)
            backend._call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
        yield replace(subject, page=100)  # of 1,000, as elsewhere, moto makes minutes: it walks all keys a request


@contextlib.contextmanager
def s3_rclone(folder: Path) -> Iterator[Subject]:
    with servers.rclone(folder) as server:
        yield s3_subject(server)


def _front(upstream: Callable[[Path], contextlib.AbstractContextManager[servers.Server]]):
    @contextlib.contextmanager
    def faults(folder: Path) -> Iterator[Subject]:
        with upstream(folder) as server, servers.faulty_front(server) as front:
            subject = s3_subject(replace(server, port=front.port))
            yield replace(subject, faults=injectors(front), requests=front.requests)

    return faults


@contextlib.contextmanager
def s3_slow(folder: Path) -> Iterator[Subject]:
    with servers.moto() as server, servers.faulty_front(server) as front:
        subject = s3_subject(replace(server, port=front.port), timeout=SLOW_TIMEOUT)
        yield replace(subject, faults={"slow": injector(front, "slow")})


# What a lab cloud is told to be, for a fault of ours.
LAB_FAULTS: Mapping[str, Mapping[str, object]] = {
    "refuse": {"state": "refuse"},
    "busy": {"error_rate": 1.0},
    "lost": {"lost_rate": 1.0},
    "full": {"quota": 1},
    "flipped_down": {"corrupt_rate": 1.0},
    "reset_within": {"drop_after": 100_000},
}


@contextlib.contextmanager
def s3_lab(folder: Path) -> Iterator[Subject]:
    with start(folder / "lab", Profile("one", {"c1": LinkSpec(setup=0.0)})) as lab:
        cloud = lab.cloud("c1")
        server = servers.Server(int(cloud.endpoint.rpartition(":")[2]), cloud.access_key, cloud.secret_key)
        faults = {name: _lab_injector(lab, cloud, fields) for name, fields in LAB_FAULTS.items()}
        subject = s3_subject(server, bucket=cloud.bucket)
        yield replace(subject, faults=faults, requests=lambda: lab.stats()["c1"]["requests"])


def _lab_injector(lab: Lab, cloud: Cloud, fields: Mapping[str, object]):
    @contextlib.contextmanager
    def inject() -> Iterator[None]:
        lab.tune(cloud.name, **fields)
        try:
            yield
        finally:
            lab.restore(cloud.name)

    return inject


KINDS: Mapping[str, Kind] = {
    "s3-moto": Kind(s3_moto, without=ANY_FAULT | needing("caps.usage"), backend="s3", server="moto"),
    "s3-versions": Kind(
        s3_versions, without=ANY_FAULT | needing("caps.usage"), backend="s3", server="moto, keeping versions"
    ),
    "s3-rclone": Kind(
        s3_rclone,
        without=ANY_FAULT | needing("caps.usage"),
        deviates=frozenset({readers_during_an_overwrite_never_see_a_torn_object.__name__}),
        backend="s3",
        server="rclone serve s3",
    ),
    "s3-lab": Kind(
        s3_lab, without=needing("caps.usage", *(set(FAULTS) - set(LAB_FAULTS))), backend="s3", server="the lab"
    ),
    "s3-faults-moto": Kind(_front(lambda folder: servers.moto()), checks=UNDER_FAULTS),
    "s3-faults-rclone": Kind(_front(servers.rclone), checks=UNDER_FAULTS),
    "s3-slow": Kind(s3_slow, checks=(a_body_that_stops_is_given_up,)),
}
DEVIATIONS = s3_deviations.DEVIATIONS
