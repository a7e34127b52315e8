"""A seam under every local write: fsync, rename, unlink and SQLite's commit tell ``step`` before and after they act."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from webraid.table import local

Step = Callable[[str, Callable[[], Any]], Any]


@contextlib.contextmanager
def local_writes(step: Step) -> Iterator[None]:
    """While this lasts ``step(what, go)`` stands before every local write; it runs ``go`` itself."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            go = super().execute
            return step("sqlite commit", lambda: go(sql, *args)) if sql == "COMMIT" else go(sql, *args)

        def executescript(self, sql: str, /) -> sqlite3.Cursor:
            go = super().executescript
            return step("sqlite schema", lambda: go(sql))

    connect = sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=Connection, **kwargs))
        for name in ("fsync", "replace", "unlink"):
            patch.setattr(os, name, _around(step, name, getattr(os, name)))
        yield


def _around(step: Step, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        told = f"{name} {os.path.basename(os.fspath(args[0]))}" if name != "fsync" else name
        return step(told, lambda: original(*args, **kwargs))

    return call
