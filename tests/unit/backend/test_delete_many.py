"""Deleting many objects at once, through everything that stands around a backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from webraid.backend.capped import Capped, Room
from webraid.backend.faulty import Fault, Faults, Faulty
from webraid.backend.guarded import Guarded
from webraid.backend.memory import CAPS, Memory
from webraid.backend.metered import Meter, Metered
from webraid.backend.wrapper import Op
from webraid.errors import ProtocolError, Unavailable


class Batches(Memory):
    """Deletes three a request."""

    def __init__(self) -> None:
        super().__init__(caps=replace(CAPS, batch_delete=3))
        self.batches: list[int] = []

    def delete_many(self, objects: Mapping[str, str]) -> None:
        self.batches.append(len(objects))
        super().delete_many(objects)


NAMES = {f"a{number}": "" for number in range(7)}


def test_a_batch_counts_as_one_request(put: Any) -> None:
    inner, meter = Batches(), Meter()
    disk = Guarded(Metered(inner, meter), "attic")
    for name in (*NAMES, "stays"):
        put(disk, name, b"1")
    disk.delete_many(NAMES)
    assert inner.batches == [3, 3, 1]
    assert meter.counts()[Op.DELETE].requests == 3
    assert inner.store.names() == ["stays"]


def test_without_batches_each_deletion_is_a_request(put: Any) -> None:
    meter = Meter()
    disk = Guarded(Metered(Memory(), meter), "attic")
    for name in NAMES:
        put(disk, name, b"1")
    disk.delete_many(NAMES)
    assert meter.counts()[Op.DELETE].requests == 7


@pytest.mark.parametrize("inner", [Memory, Batches])
def test_an_error_comes_out_and_the_rest_can_be_done_again(put: Any, inner: type[Memory]) -> None:
    place, faults = inner(), Faults()
    disk = Faulty(place, faults)
    for name in NAMES:
        put(disk, name, b"1")
    faults.script = [None, None, Fault.BEFORE]
    with pytest.raises(Unavailable):
        disk.delete_many(NAMES)
    assert sorted(place.store.names()) == sorted(NAMES)[2:]
    disk.delete_many(NAMES)
    assert place.store.names() == []


def test_names_that_are_none_are_refused_before_anything_is_deleted(put: Any) -> None:
    place = Memory()
    disk = Guarded(place, "attic")
    put(disk, "a", b"1")
    with pytest.raises(ProtocolError):
        disk.delete_many({"a": "", "../b": ""})
    assert place.store.names() == ["a"]


@pytest.mark.parametrize("inner", [Memory, Batches])
def test_room_comes_back(put: Any, inner: type[Memory]) -> None:
    disk = Capped(inner(), Room(100))
    put(disk, "a", bytes(60))
    disk.delete_many({"a": ""})
    put(disk, "b", bytes(90))
    assert disk.usage().free == 10
