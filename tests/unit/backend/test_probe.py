"""The probe: never more hopeful than the kind, and loud where data would be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from webraid.backend.base import Bytes, Caps, Digest
from webraid.backend.memory import Memory, Store
from webraid.backend.probe import measure, probe
from webraid.env import Env, seeded
from webraid.errors import ProtocolError, Unavailable
from webraid.model import Stored

CLAIMS = Caps(hashes=("md5", "sha256"), hashes_in_list=True)


class Lagging(Memory):
    def list(self, prefix: str) -> Iterator[Stored]:
        return iter(())


class WrongRanges(Memory):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        return super().get(name, offset=0, size=size)


class Forgetful(Memory):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        return bytes(len(super().get(name, offset=offset, size=size)))


class Undeleting(Memory):
    def delete(self, name: str, *, locator: str = "") -> None:
        return


class Silent(Memory):
    def put(self, name: str, data: bytes, **more: object) -> Stored:  # type: ignore[override]
        stored = super().put(name, data, **more)  # type: ignore[arg-type]
        return Stored(stored.name, stored.size)


def probed(kind: Callable[[Store, Caps], Memory]) -> tuple[Memory, Caps, tuple[str, ...]]:
    backend = kind(Store(), CLAIMS)
    found = probe(backend, seeded(1), "scratch/")
    return backend, found.caps, found.notes


def test_an_account_that_keeps_its_promises_keeps_its_caps_and_nothing_is_left_behind() -> None:
    backend = Memory(Store(), CLAIMS)
    found = probe(backend, seeded(1), "scratch/")
    assert (found.caps, found.notes) == (CLAIMS, ())
    assert found.requests <= 14
    assert found.up > 0 < found.down
    assert list(backend.list("")) == []


def test_listings_that_lag_are_noted() -> None:
    _, caps, notes = probed(Lagging)
    assert caps.list_consistency == "eventual"
    assert len(notes) == 1


def test_hashes_that_are_claimed_but_not_told_do_not_count() -> None:
    _, caps, _ = probed(Silent)
    assert caps.hashes == ()
    assert not caps.hashes_in_list


@pytest.mark.parametrize("kind", [Forgetful, Undeleting, WrongRanges])
def test_an_account_that_would_lose_data_is_refused(kind: Callable[[Store, Caps], Memory]) -> None:
    with pytest.raises(ProtocolError):
        probed(kind)


# -------------------------------------------------------------------------------------------------------------- speed
class Modem(Memory):
    """A place on a line: each request takes a time, each byte, too."""

    clock: list[float]

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.clock[0] += 0.1 + memoryview(data).nbytes / 2e6
        return super().put(name, data, digest=digest)

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        data = super().get(name, locator=locator, offset=offset, size=size)
        self.clock[0] += 0.1 + len(data) / 8e6
        return data


def test_speed_is_latency_and_rates_of_one_and_of_several_connections() -> None:
    clock, place = [0.0], Store()

    def opened() -> Modem:
        made = Modem(place)
        made.clock = clock
        return made

    env = Env(now=lambda: 7.0, monotonic=lambda: clock[0], random=bytes)
    speed = measure(opened, env, "scratch/", 3)
    assert speed.latency == pytest.approx(0.1, rel=0.02)
    assert speed.up == pytest.approx(2e6, rel=0.1)
    assert speed.down == pytest.approx(8e6, rel=0.1)
    assert (speed.connections, speed.at) == (3, 7.0)
    assert speed.up_together == pytest.approx(2e6, rel=0.2)  # all three share the one clock
    assert speed.moved == (2 * 4 * (4 << 20)) + (1 << 20)
    assert list(opened().list("")) == []


def test_a_measurement_that_fails_leaves_nothing_behind() -> None:
    place = Store()

    class Broken(Memory):
        def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
            raise Unavailable("away")

    with pytest.raises(Unavailable):
        measure(lambda: Broken(place), Env(), "scratch/", 2)
    assert list(Memory(place).list("")) == []
