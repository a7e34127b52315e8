"""One subject a kind and session, started when the first test asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.conformance.subjects import KINDS
from webraid.backend.conformance import Subject


@pytest.fixture(scope="session")
def subject_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Subject]]:
    running: dict[str, Subject] = {}
    with contextlib.ExitStack() as stack:

        def get(kind: str) -> Subject:
            if kind not in running:
                running[kind] = stack.enter_context(KINDS[kind].make(tmp_path_factory.mktemp(kind)))
            return running[kind]

        yield get
