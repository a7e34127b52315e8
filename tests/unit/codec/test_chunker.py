"""Cutting a stream: the same boundaries however it is read."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyfastcdc import FastCDC

from webraid.codec.chunker import Chunker, chunk_id

MIN, AVG, MAX = 64, 256, 1024
DATA = random.Random(2).randbytes(60_000)


def in_steps(data: bytes, sizes: Callable[[], int]) -> Callable[[memoryview], int]:
    """A readinto that gives as many bytes at a time as ``sizes`` likes, never 0 before the end."""
    stream = io.BytesIO(data)
    return lambda view: stream.readinto(view[: max(1, sizes())])


def cut(data: bytes, sizes: Callable[[], int] = lambda: 1 << 30, chunker: Chunker | None = None) -> list[bytes]:
    chunker = chunker or Chunker(MIN, AVG, MAX)
    return [bytes(chunk) for chunk in chunker.chunks(in_steps(data, sizes))]


@given(st.integers(0, 9000), st.integers(0, 3000), st.randoms(use_true_random=False))
def test_boundaries_do_not_depend_on_how_reads_are_split(length: int, most: int, source: random.Random) -> None:
    data = DATA[:length]
    whole = [bytes(chunk.data) for chunk in FastCDC(AVG, min_size=MIN, max_size=MAX).cut_buf(data)] if data else []
    assert cut(data, lambda: source.randint(0, most)) == whole
    assert b"".join(whole) == data


@pytest.mark.parametrize("length", [0, 1, MIN, MIN + 1, AVG, MAX - 1, MAX, MAX + 1, 2 * MAX, 2 * MAX + 1, 3 * MAX])
def test_runs_of_zeros_are_cut_at_the_maximum(length: int) -> None:
    chunks = cut(bytes(length), lambda: 7)
    assert b"".join(chunks) == bytes(length)
    assert [len(chunk) for chunk in chunks[:-1]] == [MAX] * (len(chunks) - 1)


def test_sizes_keep_their_bounds_and_their_average() -> None:
    chunks = cut(DATA)
    assert all(MIN <= len(chunk) <= MAX for chunk in chunks[:-1])
    assert AVG * 0.7 < len(DATA) / len(chunks) < AVG * 1.8


def test_an_insertion_changes_the_chunks_around_it_only() -> None:
    before, after = cut(DATA), cut(DATA[:30_000] + b"something new" + DATA[30_000:])
    assert len(set(after) - set(before)) <= 3


def test_the_real_sizes_cut_a_stream_of_several_buffers_as_one_buffer() -> None:
    data = random.Random(4).randbytes(20 << 20)
    whole = [chunk.length for chunk in FastCDC(1 << 20, min_size=256 << 10, max_size=4 << 20).cut_buf(data)]
    chunks = [len(chunk) for chunk in Chunker().chunks(io.BytesIO(data).readinto)]
    assert chunks == whole
    assert len(whole) > 10


def test_one_chunker_cuts_many_streams_one_after_another_even_if_one_is_given_up() -> None:
    chunker = Chunker(MIN, AVG, MAX)
    expected = cut(DATA)
    stream = chunker.chunks(io.BytesIO(DATA).readinto)
    assert bytes(next(stream)) == expected[0]
    with pytest.raises(RuntimeError, match="one stream at a time"):
        next(chunker.chunks(io.BytesIO(DATA).readinto))
    stream.close()
    assert cut(DATA, chunker=chunker) == expected


def test_an_error_of_the_reader_comes_out_and_leaves_the_chunker_usable() -> None:
    def failing(view: memoryview) -> int:
        raise OSError("the disk is gone")

    chunker = Chunker(MIN, AVG, MAX)
    with pytest.raises(OSError, match="gone"):
        list(chunker.chunks(failing))
    assert b"".join(cut(DATA, chunker=chunker)) == DATA


def test_a_chunk_id_is_keyed_and_is_that_of_the_plaintext_alone() -> None:
    one = chunk_id(bytes(32), b"plain")
    assert len(one) == 16
    assert chunk_id(bytes(32), memoryview(bytearray(b"plain"))) == one
    assert chunk_id(b"\1" * 32, b"plain") != one
    assert chunk_id(bytes(32), b"plaim") != one
