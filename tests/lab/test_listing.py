"""Pages of a listing against a slow and simple answer to the same question; and ten thousand objects."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from webraid.env import Env
from webraid.lab.listing import page
from webraid.lab.store import Store, object_path

KEYS = st.lists(st.text("ab/", min_size=1, max_size=5), max_size=25, unique=True).map(sorted)


def folded(keys: list[str], prefix: str, delimiter: str) -> list[str]:
    out: list[str] = []
    for key in keys:
        if key.startswith(prefix):
            head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            name = prefix + head + found if found else key
            out += [name] if name not in out else []
    return out


@given(KEYS, st.sampled_from(["", "a", "a/", "ab"]), st.sampled_from(["", "/", "b"]), st.integers(1, 4))
def test_the_pages_together_are_the_whole_once(keys: list[str], prefix: str, delimiter: str, limit: int) -> None:
    seen: list[str] = []
    after = ""
    while len(seen) <= len(keys):
        found = page(keys, prefix, delimiter, after, limit)
        assert found.count <= limit
        assert found.count or not found.last
        seen += sorted(found.keys + found.prefixes)
        after = found.last
        if not after:
            break
    assert seen == folded(keys, prefix, delimiter)


@given(KEYS, st.text("ab/", max_size=4))
def test_a_page_begins_behind_the_given_name(keys: list[str], after: str) -> None:
    assert page(keys, "", "", after, 100).keys == [key for key in keys if key > after]


def test_ten_thousand_objects_are_listed_in_no_time_and_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "cloud", Env())
    store.make_bucket("lab")
    for number in range(10_000):
        file = store.new_file()
        file.touch()
        store.add("lab", f"shards/{number % 256:02x}/{number:032x}.0", file, "0" * 32, {})
    before = time.monotonic()
    assert len(store.keys("lab")) == 10_000
    pages, after = 0, ""
    while True:
        found = page(store.keys("lab"), "shards/", "", after, 1000)
        assert all(store.find("lab", key) for key in found.keys)
        pages, after = pages + 1, found.last
        if not after:
            break
    assert pages == 10
    assert time.monotonic() - before < 3
    again = Store(tmp_path / "cloud", Env())
    assert again.keys("lab") == store.keys("lab")
    assert again.find("lab", again.keys("lab")[77]) == store.find("lab", again.keys("lab")[77])


def test_a_listing_follows_the_folder_when_it_is_changed_by_hand(tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "cloud", Env()), tmp_path / "cloud" / "lab"
    store.make_bucket("lab")
    for number in range(5):
        os.utime(folder, (0, number))  # long ago: the listing is remembered
        assert len(store.keys("lab")) == number
        object_path(folder, f"k{number}").write_bytes(b"x")
        assert len(store.keys("lab")) == number + 1
    object_path(folder, "k0").unlink()
    assert store.keys("lab") == ["k1", "k2", "k3", "k4"]


def test_a_listing_is_not_remembered_while_the_clock_is_too_coarse_to_tell(tmp_path: Path) -> None:
    store, folder = Store(tmp_path / "cloud", Env()), tmp_path / "cloud" / "lab"
    store.make_bucket("lab")
    stamp = folder.stat().st_mtime_ns
    assert store.keys("lab") == []
    object_path(folder, "k").write_bytes(b"x")
    os.utime(folder, ns=(stamp, stamp))
    assert store.keys("lab") == ["k"]


def test_the_index_is_shortened_when_a_lab_starts(tmp_path: Path) -> None:
    store = Store(tmp_path / "cloud", Env())
    store.make_bucket("lab")
    for number in range(50):
        file = store.new_file()
        file.write_bytes(b"x" * number)
        store.add("lab", "k", file, "0" * 32, {})
    assert store.used == 49
    again = Store(tmp_path / "cloud", Env())
    assert again.used == 49
    assert len((tmp_path / "cloud" / ".index.jsonl").read_text().splitlines()) == 1
