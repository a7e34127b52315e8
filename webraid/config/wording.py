"""What is wrong with a section's keys and values, in words of people and not of the library that reads them."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from webraid.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$\.?(?P<where>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<key>[^`]+)`")
_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "a text in quotes"}
COMPARE = "Compare with config.example.toml."


def close(word: str, known: Iterable[str]) -> str:
    """'; did you mean ...?', or nothing where nothing is like it."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def words_of(kind: Any) -> str:
    """What a value of that type is."""
    if typing.get_origin(kind) is tuple:
        return 'a list of texts, such as ["one", "two"]'
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(f'"{word}"' for word in typing.get_args(kind))
    return _PLAIN.get(kind, "something else")


def converted(prefix: str, section: str, kind: type[T], values: Mapping[str, Any]) -> T:
    """The section.  ``prefix``: the file; ``section``: as messages name it.  Raises ConfigError."""
    fields = {item.encode_name: item.type for item in msgspec.structs.fields(kind)}
    wrong = next((key for key in values if key not in fields), None)
    if wrong is not None:
        near = close(wrong, fields)
        hint = COMPARE if near else f"Known there: {', '.join(sorted(fields))}."
        raise ConfigError(f"{prefix} unknown option {wrong} in {section}{near}", hint=hint)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{prefix} {section}: {_explained(str(error), fields, values)}", hint=COMPARE) from None


def _explained(message: str, fields: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    missing = _MISSING.search(message)
    if missing:
        return f"{missing['key']} is missing"
    at = _AT.search(message)
    key = re.split(r"[\[.]", at["where"])[0] if at else ""
    return f"{key} must be {words_of(fields[key])}, not {_shown(values[key])}" if key in fields else message


def _shown(value: object) -> str:
    """As TOML has it, as far as that is short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "a table"
    return str(value)
