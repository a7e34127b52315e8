"""The commands by name: a module is imported when its command is asked for, so that each of them starts quickly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
import typer.main

# Name -> the module of webraid.cli whose register() adds it, in the order of the help: first what stands alone, then
# the names that have commands of their own.
MODULES: Mapping[str, str] = {
    "init": "init", "add-backend": "add_backend", "login": "backend", "put": "put", "backup": "put", "get": "get",
    "restore": "get", "ls": "ls", "find": "find", "cat": "cat", "dump": "cat", "diff": "diff", "du": "du",
    "snapshots": "snapshots", "tag": "tag", "forget": "forget", "status": "status", "durability": "durability",
    "doctor": "doctor", "check": "check", "scrub": "scrub", "repair": "repair", "prune": "prune", "stats": "stats",
    "rebuild": "rebuild", "replace": "replace", "drain": "drain", "rebalance": "rebalance", "relevel": "relevel",
    "recover": "recover", "mount": "mount", "completion": "completion", "man": "man", "version": "version",
    "backend": "backend", "key": "key", "device": "device", "serve": "serve", "schedule": "schedule", "lab": "lab",
    "config": "config",
}  # fmt: skip


class Commands(Mapping[str, Any]):
    """Name -> command or group, as a typer group wants them: whoever lists the names imports nothing."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made |= registered(MODULES[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


def registered(module: str) -> dict[str, Any]:
    """What a module adds: name -> command or group."""
    app = typer.Typer(rich_markup_mode=None)
    import_module(f"webraid.cli.{module}").register(app)
    return dict(typer.main.get_group(app).commands)


__all__ = ["MODULES", "Commands", "registered"]
