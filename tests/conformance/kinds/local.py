"""Folders."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.conformance.kind import ANY_FAULT, PREFIX, Deviation, Kind, needing
from webraid.backend.conformance import Subject
from webraid_local import LocalBackend, LocalOptions


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


_WITHOUT = ANY_FAULT | needing("secrets", "caps.hashes")
KINDS: Mapping[str, Kind] = {
    "local": Kind(_local(), without=_WITHOUT, backend="local", server="a folder"),
    "local-batch": Kind(_local(durability="batch"), without=_WITHOUT, backend="local", server="a folder, in batches"),
}
DEVIATIONS: tuple[Deviation, ...] = ()
