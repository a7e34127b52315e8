"""A fake Dropbox of its own for each test, and disks in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.dropbox import FakeDropbox, fake_dropbox
from webraid.backend.login import Secrets
from webraid_dropbox import DropboxBackend, DropboxOptions

Open = Callable[..., DropboxBackend]


@pytest.fixture
def dropbox() -> Iterator[FakeDropbox]:
    with fake_dropbox() as made:
        yield made


@pytest.fixture
def opened(dropbox: FakeDropbox) -> Iterator[Open]:
    """Opens instances of one disk, as many as wanted; all are closed in the end."""
    secrets = Secrets({"token": dropbox.token_json()}, disk="x1")
    with contextlib.ExitStack() as stack:

        def connect(**more: Any) -> DropboxBackend:
            options = DropboxOptions(**{"app_key": dropbox.app_key, "endpoint": dropbox.url, "timeout": 10.0} | more)
            return stack.enter_context(contextlib.closing(DropboxBackend.connect(options, secrets)))

        yield connect


@pytest.fixture
def disk(opened: Open) -> DropboxBackend:
    """A disk whose access token is there already, so that only what a test does is counted."""
    made = opened()
    made.prepare()
    return made
