"""The kinds of disk that are installed: found by entry point, imported only when opened; and their options."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import sys
import types
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from webraid.backend.base import Backend
from webraid.errors import ConfigError, PluginMissing

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "webraid.backends"
OURS = "webraid"  # the distribution
# What pyproject.toml registers.  A look through all that is installed takes longer than most commands have to do.
OWN = {
    "dropbox": "webraid_dropbox:DropboxBackend", "gdrive": "webraid_gdrive:DriveBackend",
    "local": "webraid_local:LocalBackend", "rclone": "webraid_rclone:RcloneBackend", "s3": "webraid_s3:S3Backend",
    "sftp": "webraid_sftp:SftpBackend", "webdav": "webraid_webdav:WebdavBackend",
}  # fmt: skip
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
MISFITS = (ValueError, TypeError, KeyError)


def kinds() -> list[str]:
    """The names of all installed kinds, sorted.  Imports none of them."""
    return sorted({point.name for point in _points(tuple(sys.path))})


@cache
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """What is registered on that import path.  Looked up once: every disk asks."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=GROUP))


def load(kind: str) -> type[Backend]:
    """The plug-in class of a kind.  PluginMissing: unknown, or the library it needs is not installed."""
    return _own(kind) or _registered(kind)


def _own(kind: str) -> type[Backend] | None:
    """The plug-in class of a kind that comes with webraid; None where there is none that works."""
    module, _, name = OWN.get(kind, "").partition(":")
    try:
        found: type[Backend] | None = getattr(import_module(module), name) if module else None
    except (ImportError, AttributeError):  # what is missing is told by whoever looks it up
        return None
    return found


def _registered(kind: str) -> type[Backend]:
    points = [point for point in _points(tuple(sys.path)) if point.name == kind]
    if not points:
        raise _unknown(kind, kinds())
    try:
        found = points[0].load()
    except ModuleNotFoundError as error:
        raise _missing(points[0], error) from error
    except (ImportError, AttributeError) as error:
        raise PluginMissing(
            f"{kind} cannot be loaded: {error}", hint=f"Renew its libraries: {_command(points[0], '-U ')}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise PluginMissing(
            f"{kind} cannot be loaded: {points[0].value} is no Backend", hint="Ask the plug-in's author."
        )
    return found


def meant(kind: str) -> tuple[str, dict[str, object]]:
    """The installed kind that a word stands for, and the options that say so: 'onedrive' may be rclone's.

    Raises PluginMissing where nobody covers it.
    """
    if kind in kinds():
        return kind, {}
    others = covered()
    if kind not in others:
        raise _unknown(kind, (*kinds(), *others))
    by = others[kind][0]
    return by, dict(load(by).called(kind))


def covered() -> dict[str, tuple[str, str]]:
    """Kinds that have no plug-in of their own: name -> (the kind that covers it, summary).  Imports all plug-ins."""
    found: dict[str, tuple[str, str]] = {}
    installed = kinds()
    for by in installed:
        with contextlib.suppress(PluginMissing):  # said when it is asked for itself
            for alias, summary in load(by).also_called().items():
                if alias not in installed:
                    found.setdefault(alias, (by, summary))
    return found


def _unknown(kind: str, known: Iterable[str]) -> PluginMissing:
    return PluginMissing(
        f"there is no kind of disk called {kind!r}; known: {', '.join(kinds()) or 'none'}",
        hint=_nearest(kind, known) or "See 'webraid add-backend --help'.",
    )


def _missing(point: EntryPoint, error: ModuleNotFoundError) -> PluginMissing:
    module = (error.name or str(error)).partition(".")[0]
    if module == point.module.partition(".")[0]:
        return PluginMissing(
            f"the plug-in {module} of {point.name} is registered, but not there",
            hint=f"Install it again: {_command(point, '--force-reinstall ')}",
        )
    command = _command(point)
    return PluginMissing(f"{point.name} needs {module}: {command}", hint=command)


def _command(point: EntryPoint, flags: str = "") -> str:
    """What installs the plug-in with its libraries.  Our own are on no package index: whatever has their name there is
    somebody else's."""
    if point.dist and point.dist.name == OURS:
        return "pipx install --force '.[all]' in the checkout"
    return f"pip install {flags}'{_requirement(point)}'"


def _requirement(point: EntryPoint) -> str:
    """What to hand to pip: the distribution, with the extra the entry point names or the one called like the kind."""
    dist = point.dist
    name = dist.name if dist else point.module.partition(".")[0]
    offered = dist.metadata.get_all("Provides-Extra", []) if dist else []
    extra = next((extra for extra in (*point.extras, point.name) if extra in offered), None)
    return f"{name}[{extra}]" if extra else name


# ------------------------------------------------------------------------------------------------------------ options
@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One thing [[disk]] may say for a kind: the wizard asks for it, the docs list it.  ``type`` in human words.
    ``file``: a flag names a file whose content is meant.  ``rare``: the wizard does not ask for it."""

    name: str
    type: str
    help: str
    required: bool
    secret: bool
    default: object = None
    file: bool = False
    rare: bool = False


def options_of(kind_class: type[Backend]) -> tuple[Option, ...]:
    """All options of a kind, secrets included, in the order the plug-in gives them."""
    hints = get_type_hints(kind_class.options_type())
    return tuple(_option(field, hints[field.name]) for field in dataclasses.fields(kind_class.options_type()))


def _option(field: dataclasses.Field[Any], hint: Any) -> Option:
    default: object = None
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    secret = bool(field.metadata.get("secret"))
    file = bool(field.metadata.get("file"))
    rare = bool(field.metadata.get("rare"))
    told = str(field.metadata.get("help", ""))
    return Option(field.name, _called(hint), told, required, secret, default, file, rare)


def make_options(kind_class: type[Backend], given: Mapping[str, object]) -> tuple[Any, dict[str, str]]:
    """The kind's options from what a config file (typed) or flags (strings, '-' or '_') say, and the secrets among it.

    Secrets are split off: the options hold their defaults ('' where there is none), and a missing one is no error
    here - it may lie in the keyring.  ConfigError: unknown, missing, or of the wrong type; never with a secret in it.
    """
    kind, options_type = kind_class.kind, kind_class.options_type()
    hints = get_type_hints(options_type)
    known = {option.name: option for option in options_of(kind_class)}
    values: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for spelled, value in given.items():
        option = known.get(spelled.replace("-", "_"))
        if option is None:
            hint = _nearest(spelled.replace("-", "_"), known) or f"{kind} knows: {', '.join(known) or 'no options'}."
            raise ConfigError(f"{kind} has no option {spelled!r}", hint=hint)
        if not option.secret:
            values[option.name] = _typed(kind, option, hints[option.name], value)
        elif isinstance(value, str):
            secrets[option.name] = value
        else:
            raise ConfigError(f"option {option.name!r} of {kind} must be a text")
    for option in known.values():
        if option.required and option.secret:
            values[option.name] = ""
        elif option.required and option.name not in values:
            raise ConfigError(f"{kind} needs the option {option.name!r}", hint=option.help or "Give it and try again.")
    try:
        return options_type(**values), secrets
    except ValueError as error:  # the plug-in's own check of its options
        raise ConfigError(f"{kind}: {error}") from error


def check(kind_class: type[Backend], name: str, value: object) -> None:
    """Raise ConfigError where ``value`` is not of the type of that option; whether it fits the others is not asked."""
    known = {option.name: option for option in options_of(kind_class)}
    _typed(kind_class.kind, known[name], get_type_hints(kind_class.options_type())[name], value)


def _typed(kind: str, option: Option, hint: Any, value: object) -> Any:
    try:
        return _convert(hint, value)
    except MISFITS:
        raise ConfigError(f"option {option.name!r} of {kind} must be {option.type}, not {value!r}") from None


def _convert(hint: Any, value: object) -> Any:
    """``value`` as the type ``hint``; text is read as that type.  ValueError, TypeError."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _either(args, value)
    if origin is Literal:
        return {str(choice): choice for choice in args}[str(value)]
    if origin is tuple:  # tuple[X, ...]; flags give it with commas
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise TypeError
        return tuple(_convert(args[0], part) for part in parts)
    if hint is bool and isinstance(value, str):
        return WORDS[value.lower()]
    readable = hint in (int, float) or (isinstance(hint, type) and issubclass(hint, Path | Enum))
    if (readable and isinstance(value, str)) or (hint is float and type(value) is int):
        return hint(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TypeError
    return value


def _either(hints: tuple[Any, ...], value: object) -> Any:
    if value is None and types.NoneType in hints:
        return None
    for hint in hints:
        if hint is not types.NoneType:
            with contextlib.suppress(*MISFITS):
                return _convert(hint, value)
    raise ValueError


def _called(hint: Any) -> str:
    """A type in human words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_called(arg) for arg in args if arg is not types.NoneType)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        return f"a list, each {_called(args[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    return NAMES.get(hint, str(hint))


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""
