"""What the words of a command line become, without pydantic where that is plain to see."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

# Of a path typer asks nothing then but whether it may be read, should it be there.
PLAIN_PATH = {
    "exists": False, "file_okay": True, "dir_okay": True, "writable": False, "resolve_path": False, "path_type": None,
}  # fmt: skip


class AsTyped:
    """In the place of typer's own, which loads pydantic for whatever it is: longer than many a command takes to run.

    Where a word must become a number typer still does it, and what is wrong is told by typer, too.
    """

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:
        """The value that the command gets."""
        wanted = self._descriptor.annotation
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if type(value) is wanted:
            return value
        if wanted == list[str] and isinstance(value, (list, tuple)) and all(type(word) is str for word in value):
            return list(value)
        if wanted is Path and value == "":
            raise typer.BadParameter("the path is empty: is a variable of your script not set?", ctx=ctx, param=param)
        if wanted is Path and type(value) is str and self._is_fine(value):
            return Path(value)
        from typer._coercion import build_runtime_param

        return build_runtime_param(self._descriptor).coerce(value, param=param, ctx=ctx)

    def _is_fine(self, path: str) -> bool:
        asked = {name: getattr(self._descriptor.parameter_info, name) for name in PLAIN_PATH}
        return asked == PLAIN_PATH and (os.access(path, os.R_OK) or not os.path.exists(path))


def take_as_typed(parameters: Iterable[Any]) -> None:
    """Spare every parameter that typer has read the conversion that it does not need."""
    for parameter in parameters:
        descriptor = getattr(parameter, "type_descriptor", None)
        if descriptor is not None and not descriptor.parameter_info.parser:
            parameter._runtime_param = AsTyped(descriptor)
