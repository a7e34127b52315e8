"""The kinds of disk under test, each as a conformance Subject; and what is known not to fit them, with the reason."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conformance import servers
from webraid.backend.conformance import CHECKS, FAULTS, Check, Subject
from webraid.backend.conformance.faults import a_body_that_stops_is_given_up
from webraid.backend.conformance.hygiene import HYGIENE_CHECKS
from webraid.backend.conformance.objects import readers_during_an_overwrite_never_see_a_torn_object
from webraid.backend.conformance.promises import only_backend_error_and_its_children_come_out
from webraid.backend.memory import CAPS, Memory, Store
from webraid.lab import Cloud, Lab, LinkSpec, Profile, start
from webraid_local import LocalBackend, LocalOptions
from webraid_s3 import S3Backend, S3Options

PREFIX = "scratch/"
SLOW_TIMEOUT = 0.5  # seconds; only for the one check that waits for it to pass


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Subject]:
    store = Store()
    yield Subject(open=lambda: Memory(store), caps=CAPS, prefix=PREFIX, page=100)


def _local(**options: str) -> Callable[[Path], contextlib.AbstractContextManager[Subject]]:
    @contextlib.contextmanager
    def local(folder: Path) -> Iterator[Subject]:
        chosen = LocalOptions(str(folder / "disk"), **options)  # type: ignore[arg-type]
        LocalBackend.connect(chosen, {}).prepare()
        yield Subject(
            open=lambda: LocalBackend.connect(chosen, {}),
            caps=LocalBackend.caps,
            prefix=PREFIX,
            page=100,
            shown=(chosen,),
        )

    return local


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
def s3_rclone(folder: Path) -> Iterator[Subject]:
    with servers.rclone(folder) as server:
        yield s3_subject(server)


def _front(upstream: Callable[[Path], contextlib.AbstractContextManager[servers.Server]]):
    @contextlib.contextmanager
    def faults(folder: Path) -> Iterator[Subject]:
        with upstream(folder) as server, servers.faulty_front(server) as front:
            subject = s3_subject(replace(server, port=front.port))
            usable = {name: _injector(front, name) for name in FAULTS if name != "slow"}
            yield replace(subject, faults=usable, requests=front.requests)

    return faults


def _injector(front: servers.FaultyFront, name: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    return lambda: front.fault(name)


@contextlib.contextmanager
def s3_slow(folder: Path) -> Iterator[Subject]:
    with servers.moto() as server, servers.faulty_front(server) as front:
        subject = s3_subject(replace(server, port=front.port), timeout=SLOW_TIMEOUT)
        yield replace(subject, faults={"slow": _injector(front, "slow")})


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


def _needing(*what: str) -> frozenset[str]:
    return frozenset(check.__name__ for check in CHECKS if set(getattr(check, "needs", ())) & set(what))


@dataclass(frozen=True)
class Kind:
    """``checks``: what is run; another kind covers the rest.  ``without``: those of them that do not apply, because
    nothing here has what they need; a test holds that they are reported so.  ``deviates``: those that this server fails
    now and then; each has an entry in deviations.py, which shows that it does."""

    make: Callable[[Path], contextlib.AbstractContextManager[Subject]]
    without: frozenset[str] = frozenset()
    checks: tuple[Check, ...] = CHECKS
    deviates: frozenset[str] = frozenset()


_ANY_FAULT = _needing(*FAULTS, "requests")
_UNDER_FAULTS = (
    *(check for check in CHECKS if check.__name__ in _ANY_FAULT - _needing("slow")),
    only_backend_error_and_its_children_come_out,
    *HYGIENE_CHECKS,
)
KINDS: Mapping[str, Kind] = {
    "memory": Kind(memory, without=_ANY_FAULT | _needing("secrets")),
    "local": Kind(_local(), without=_ANY_FAULT | _needing("secrets", "caps.hashes")),
    "local-batch": Kind(_local(durability="batch"), without=_ANY_FAULT | _needing("secrets", "caps.hashes")),
    "s3-moto": Kind(s3_moto, without=_ANY_FAULT | _needing("caps.usage")),
    "s3-rclone": Kind(
        s3_rclone,
        without=_ANY_FAULT | _needing("caps.usage"),
        deviates=frozenset({readers_during_an_overwrite_never_see_a_torn_object.__name__}),
    ),
    "s3-lab": Kind(s3_lab, without=_needing("caps.usage", *(set(FAULTS) - set(LAB_FAULTS)))),
    "s3-faults-moto": Kind(_front(lambda folder: servers.moto()), checks=_UNDER_FAULTS),
    "s3-faults-rclone": Kind(_front(servers.rclone), checks=_UNDER_FAULTS),
    "s3-slow": Kind(s3_slow, checks=(a_body_that_stops_is_given_up,)),
}
