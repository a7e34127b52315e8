"""Names alone: the same ones as a listing gives, through every wrapper."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from webraid.backend.guarded import Guarded
from webraid.backend.memory import Memory, Store
from webraid.backend.metered import Meter, Metered
from webraid.backend.wrapper import Op, Wrapper
from webraid.errors import ProtocolError
from webraid.model import Stored
from webraid_local import LocalBackend
from webraid_local.options import LocalOptions

NAMES = ["log/a/1", "log/a/2", "log/b/1", "logs/1", "pool"]


def memory() -> Memory:
    store = Store()
    for name in NAMES:
        store.put(name, b"x")
    return Memory(store)


@pytest.mark.parametrize("prefix", ["", "log/", "log", "log/a/", "none/"])
def test_a_kind_that_has_nothing_cheaper_gives_the_names_of_its_listing(prefix: str) -> None:
    disk = Guarded(Metered(memory(), meter := Meter()), "attic")
    assert sorted(disk.list_names(prefix)) == [name for name in NAMES if name.startswith(prefix)]
    assert meter.counts()[Op.LIST].requests == 1


def test_what_a_wrapper_makes_of_a_listing_holds_for_the_names() -> None:
    class Forgetful(Wrapper):
        def list(self, prefix: str) -> Iterator[Stored]:
            return (stored for stored in super().list(prefix) if stored.name != "log/a/2")

    assert sorted(Guarded(Forgetful(memory()), "attic").list_names("log/")) == ["log/a/1", "log/b/1"]


@pytest.mark.parametrize(
    ("told", "why"),
    [(["log/a", "log/a"], "twice"), (["log/a", "pool"], "not under its prefix")],
    ids=["twice", "other"],
)
def test_names_are_held_to_the_contract(told: list[str], why: str) -> None:
    class Odd(Memory):
        def list_names(self, prefix: str) -> Iterator[str]:
            return iter(told)

    with pytest.raises(ProtocolError, match=why):
        Guarded(Odd(), "attic").list_names("log/")


def test_names_that_cannot_be_ours_are_passed_over() -> None:
    class Shared(Memory):
        def list_names(self, prefix: str) -> Iterator[str]:
            return iter(["log/a", "log/A b", "log/../x"])

    assert list(Guarded(Shared(), "attic").list_names("log/")) == ["log/a"]


def test_a_folder_gives_the_same_names_with_their_sizes_and_without(tmp_path: Path) -> None:
    disk = LocalBackend(LocalOptions(path=str(tmp_path)))
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "log" / ".tmp_1_2").touch()
    (tmp_path / "log" / "link").symlink_to(tmp_path / "pool")
    (tmp_path / "log" / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "log" / "pipe")
    for prefix in ("", "log/", "log", "log/a/", "none/", "/"):
        listed = list(disk.list(prefix)) if prefix != "/" else []
        assert list(disk.list_names(prefix)) == [stored.name for stored in listed]
        assert {stored.size for stored in listed} <= {5}
    assert list(disk.list_names("log/")) == ["log/a/1", "log/a/2", "log/b/1", "log/link"]
