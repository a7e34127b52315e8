"""Any tree, scanned and restored with its pieces in any order, is the same tree."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.files.compare import compare_trees
from webraid.files.restore import Action

Node = tuple[Any, ...]

NAMES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from([b"a", b"b", b"-n", b"\n", b"\xff", "\U0001f9d9‍♂️".encode(), b"L" * 255, b"...", b"~", b" "]),
).filter(lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b".."))
TIMES = st.integers(0, (1 << 33) * 1_000_000_000)
MODES = st.integers(0, 0o777)
EXTENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3)), max_size=4)
LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=3000), st.integers(1, 60), MODES, TIMES),
    st.tuples(st.just("sparse"), EXTENTS, st.integers(0, 50), MODES, TIMES),
    st.tuples(st.just("link"), st.binary(min_size=1, max_size=40).filter(lambda t: b"\0" not in t), TIMES),
    st.tuples(st.just("pipe"), MODES, TIMES),
    st.tuples(st.just("again"), st.integers(0, 20)),
)
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=5),
    lambda below: st.dictionaries(NAMES, LEAVES | st.tuples(st.just("folder"), below, MODES, TIMES), max_size=5),
    max_leaves=12,
)


def build(top: bytes, tree: dict[bytes, Node], made: list[bytes]) -> None:
    """Builds below ``top``; ``made`` collects what can be linked to."""
    for name, node in tree.items():
        path = top + b"/" + name
        match node:
            case ("file", content, times, mode, time):
                write(path, [(0, content * times)], len(content) * times, mode, time)
            case ("sparse", parts, size, mode, time):
                data = [(start << 16, b"s" * (length << 16)) for start, length in parts]
                write(path, data, max([size << 16, *(start + len(text) for start, text in data)]), mode, time)
            case ("link", target, time):
                os.symlink(target, path)
                os.utime(path, ns=(time, time), follow_symlinks=False)
            case ("pipe", mode, time):
                os.mkfifo(path)
                os.chmod(path, mode)
                os.utime(path, ns=(time, time))
            case ("again", number):
                if not made:
                    continue
                os.link(made[number % len(made)], path, follow_symlinks=False)
            case ("folder", below, mode, time):
                os.mkdir(path)
                build(path, below, made)
                os.chmod(path, mode | 0o700)
                os.utime(path, ns=(time, time))
                continue
        made.append(path)


def write(path: bytes, parts: list[tuple[int, bytes]], size: int, mode: int, time: int) -> None:
    with open(path, "wb") as file:
        for offset, text in parts:
            file.seek(offset)
            file.write(text)
        file.truncate(size)
    os.chmod(path, mode | 0o400)
    os.utime(path, ns=(time, time))


@given(tree=TREES, seed=st.integers(0, 1000), piece=st.sampled_from([700, 65_536, 1 << 20]))
def test_any_tree_comes_back(
    tmp_path_factory: pytest.TempPathFactory, store: Callable[..., Any], fetch: Callable[..., Any],
    tree: dict[bytes, Node], seed: int, piece: int,
) -> None:  # fmt: skip
    place: Path = tmp_path_factory.mktemp("trip")
    top = place / "tree"
    top.mkdir()
    build(os.fsencode(top), tree, [])
    kept = store([top])
    done = fetch(kept, place / "out", seed=seed, piece=piece)
    assert done.reasons == []
    assert compare_trees(top, place / "out" / "tree") == []
    again = fetch(kept, place / "out", seed=seed, piece=piece)
    assert again.reasons == []
    assert Action.CONTENT not in again.actions.values()
    assert compare_trees(top, place / "out" / "tree") == []
    shutil.rmtree(place)
