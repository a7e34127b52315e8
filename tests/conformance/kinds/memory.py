"""The double that keeps everything in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.conformance.kind import ANY_FAULT, PREFIX, Deviation, Kind, needing
from webraid.backend.conformance import Subject
from webraid.backend.memory import CAPS, Memory, Store


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Subject]:
    store = Store()
    yield Subject(open=lambda: Memory(store), caps=CAPS, prefix=PREFIX, page=100)


KINDS: Mapping[str, Kind] = {
    "memory": Kind(memory, without=ANY_FAULT | needing("secrets"), backend="memory", server="a test double"),
}
DEVIATIONS: tuple[Deviation, ...] = ()
