"""One subject a kind and session, started when the first test asks for it; and small disks for single tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.canned import KEYS, Canned, canned_server, s3_options
from tests.conformance.subjects import KINDS
from webraid.backend.conformance import Subject
from webraid_local import LocalBackend, LocalOptions
from webraid_s3 import S3Backend


@pytest.fixture(scope="session")
def subject_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Subject]]:
    running: dict[str, Subject] = {}
    with contextlib.ExitStack() as stack:

        def get(kind: str) -> Subject:
            if kind not in running:
                running[kind] = stack.enter_context(KINDS[kind].make(tmp_path_factory.mktemp(kind)))
            return running[kind]

        yield get


@pytest.fixture
def canned() -> Iterator[Canned]:
    with canned_server() as made:
        yield made


@pytest.fixture
def bucket(canned: Canned) -> Iterator[S3Backend]:
    """A bucket at the canned server."""
    with contextlib.closing(S3Backend.connect(s3_options(endpoint=canned.endpoint, prefix="p"), KEYS)) as backend:
        yield backend


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def disk(root: Path) -> LocalBackend:
    """A folder that is ready, at ``root``."""
    backend = LocalBackend.connect(LocalOptions(str(root)), {})
    backend.prepare()
    return backend
