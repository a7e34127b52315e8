"""What every part of the public API works with: an opened pool."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from webraid.jobs.base.context import Context

NONE: Mapping[str, str] = {}


class Opened:
    """An opened pool; a context manager."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the disks' threads; hung ones are not waited for."""
        self._ctx.close()

    @property
    def name(self) -> str:
        """The pool's name."""
        return self._ctx.config.pool.name
