"""The probe: never more hopeful than the kind, and loud where data would be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from webraid.backend.base import Caps
from webraid.backend.memory import Memory, Store
from webraid.backend.probe import probe
from webraid.env import seeded
from webraid.errors import ProtocolError
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
