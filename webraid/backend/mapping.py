"""Foreign errors into ours: tables that are made when first asked, and the one place where a plug-in applies them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from webraid.backend.base import ErrorTable, map_error
from webraid.errors import BackendError, WebRAIDError

Factory = Callable[[BaseException], BackendError]


class LazyTable(Mapping[type[BaseException], Factory]):
    """An error table that is made when it is first asked: importing the plug-in must not import the SDK."""

    def __init__(self, make: Callable[[], dict[type[BaseException], Factory]]) -> None:
        self._make = cache(make)

    def __getitem__(self, cls: type[BaseException]) -> Factory:
        return self._make()[cls]

    def __iter__(self) -> Iterator[type[BaseException]]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())


def always(cls: type[BackendError], sentence: str, hint: str | None = None) -> Factory:
    """A factory that says ``sentence`` whatever the error says: texts of libraries may hold addresses and keys."""
    return lambda error: cls(sentence, provider_code=type(error).__name__, hint=hint)


@contextlib.contextmanager
def mapped(table: ErrorTable, name: str = "") -> Iterator[None]:
    """What ``table`` knows comes out as a BackendError about ``name``; everything else as it is."""
    try:
        yield
    except WebRAIDError:
        raise
    except tuple(table) as error:
        found = map_error(table, error)
        if found is None:
            raise AssertionError("a table knows the classes it names") from error
        found.key = name
        raise found from error
