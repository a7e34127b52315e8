"""WebRAID: one encrypted backup over many clouds, folders and friends, with parity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webraid.pool import Pool, init_pool, open_pool, recover_pool, settings

__version__ = "0.1.0"
__all__ = ["Pool", "__version__", "init_pool", "open_pool", "recover_pool", "settings"]


def __getattr__(name: str) -> Any:
    """The API is imported when it is used: 'webraid --help' stays quick."""
    if name in __all__:
        from webraid import pool

        return getattr(pool, name)
    raise AttributeError(name)
