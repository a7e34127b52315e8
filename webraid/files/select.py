"""What a put leaves out, or what alone it takes: patterns as in .gitignore files, marker files, size caps, lists.

``Rules`` is what was asked for; ``Selector`` is asked by the scanner, folder by folder.  A pattern is compiled once; a
name is first held against all patterns at once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from webraid.errors import ConfigError
from webraid.files.patterns import NeverMatches, plain
from webraid.files.roots import Root
from webraid.files.safepath import open_quietly

CACHEDIR = ("CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55")  # https://bford.info/cachedir/
IGNORE_FILE = b".gitignore"
IGNORE_MAX = 4 << 20  # bytes of a .gitignore file that are read
_NAMED = re.compile(r"\(\?P<\w+>")


@dataclass(frozen=True, slots=True)
class Line:
    """A line as in a .gitignore file.  ``any_case``: capitals do not matter."""

    text: str = field(repr=False)
    any_case: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What is left out below every PATH.

    ``lines``: patterns, the last one that matches decides.  ``if_present``: 'NAME' or 'NAME:TEXT'; of a folder with
    such a file (that begins with TEXT) only the folder and that file are stored.  ``caches``: the same for
    CACHEDIR.TAG.  ``larger_than``: bytes; larger files are left out.  ``gitignore``: .gitignore files count.
    """

    lines: tuple[Line, ...] = ()
    if_present: tuple[str, ...] = ()
    caches: bool = False
    larger_than: int | None = None
    gitignore: bool = False
    one_file_system: bool = False

    def __or__(self, more: Rules) -> Rules:
        """Both together; ``more`` has the last word."""
        caps = [cap for cap in (self.larger_than, more.larger_than) if cap is not None]
        return Rules(
            (*self.lines, *more.lines), (*self.if_present, *more.if_present), self.caches or more.caches,
            min(caps, default=None), self.gitignore or more.gitignore, self.one_file_system or more.one_file_system,
        )  # fmt: skip

    def check(self) -> Rules:
        """Itself.  Raises ConfigError when a pattern can never match, or a marker has no name."""
        for line in self.lines:
            try:
                _parsed(line)
            except NeverMatches as error:
                raise ConfigError(
                    f"the pattern {line.text!r} can never match: {error}",
                    hint="Patterns are those of .gitignore files.",
                ) from error
        for marker in self.if_present:
            if not marker.partition(":")[0] or "/" in marker.partition(":")[0]:
                raise ConfigError(f"{marker!r} is not a marker: say NAME or NAME:TEXT, with the name of a file")
        return self


def lines(patterns: Iterable[str], *, any_case: bool = False) -> tuple[Line, ...]:
    """Patterns of a command line or config."""
    return tuple(Line(pattern, any_case) for pattern in patterns)


def lines_of(path: str | os.PathLike[str], *, any_case: bool = False) -> tuple[Line, ...]:
    """The patterns in a file.  Raises ConfigError when it cannot be read."""
    try:
        data = Path(path).expanduser().read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ConfigError(f"the patterns in {os.fspath(path)!r} cannot be read: {reason}") from error
    return tuple(Line(text, any_case) for text in _split(data))


def _split(data: bytes) -> list[str]:
    text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    return [line.removesuffix("\r") for line in text.split("\n")]


# ------------------------------------------------------------------------------------------------------------- patterns
@dataclass(frozen=True, slots=True)
class _Pattern:
    """``by_name``: it is held against a name alone, else against the whole path below its folder."""

    leaves_out: bool
    folders_only: bool
    by_name: bool
    regex: re.Pattern[str]
    open_ended: bool  # it ends in '/**' or is '**': whatever it matches the beginning of, it matches

    def matches(self, path: str, name: str, is_dir: bool) -> bool:
        if self.folders_only and not is_dir:
            return False
        text = name if self.by_name else path
        found = self.regex.search(text)
        return found is not None and (self.open_ended or found.end() == len(text))


def _trimmed(line: str) -> str:
    """Without the spaces at its end; one behind a backslash stays."""
    end = len(line)
    while end and line[end - 1] == " ":
        end -= 1
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[: end + 1] if backslashes % 2 and end < len(line) else line[:end]


@lru_cache(maxsize=4096)
def _parsed(line: Line) -> _Pattern | None:
    """None: the line says nothing.  Raises NeverMatches."""
    text = line.text
    if not text or text.startswith("#"):
        return None
    text = _trimmed(text)
    leaves_out = not text.startswith("!")
    body = text if leaves_out else text[1:]
    folders_only = body.endswith("/")
    body = body.removesuffix("/")
    by_name = "/" not in body
    if not body:
        return None
    made = plain(body.removeprefix("/"))
    wanted = made.text.replace("**", "*") if by_name else made.text
    if not wanted:
        return None
    regex, _ = GitIgnoreSpecPattern.pattern_to_regex("/" + wanted)
    if regex is None:
        return None
    whole = re.compile(made.regex(regex), re.DOTALL | (re.IGNORECASE if line.any_case else 0))
    return _Pattern(leaves_out, folders_only, by_name, whole, open_ended=not whole.groups)


def _together(patterns: Sequence[_Pattern]) -> re.Pattern[str] | None:
    """Whether any of them might match: most names are done with by asking this."""
    parts = []
    for pattern in patterns:
        text = _NAMED.sub("(?:", pattern.regex.pattern)
        anywhere = "" if text.startswith("^") else ".*"
        parts.append(f"(?{'i' if pattern.regex.flags & re.IGNORECASE else ''}s:{anywhere}{text})")
    return re.compile("|".join(parts)) if parts else None


class Spec:
    """The patterns of one file, or of a command line."""

    __slots__ = ("_names", "_paths", "_reversed")

    def __init__(self, lines: Iterable[Line]) -> None:
        patterns = []
        for line in lines:
            try:
                pattern = _parsed(line)
            except NeverMatches:  # as git does; of those that were given, Rules.check tells
                continue
            if pattern is not None:
                patterns.append(pattern)
        self._reversed = patterns[::-1]
        self._names = _together([pattern for pattern in patterns if pattern.by_name])
        self._paths = _together([pattern for pattern in patterns if not pattern.by_name])

    def __bool__(self) -> bool:
        return bool(self._reversed)

    def verdict(self, path: str, name: str, is_dir: bool) -> bool | None:
        """Whether what lies at ``path`` (its last part is ``name``) is left out; None: nothing is said of it."""
        by_name = self._names is not None and self._names.match(name)
        if not by_name and (self._paths is None or not self._paths.match(path)):
            return None
        for pattern in self._reversed:
            if pattern.matches(path, name, is_dir):
                return pattern.leaves_out
        return None


@lru_cache(maxsize=256)
def _spec(lines: tuple[Line, ...]) -> Spec:
    return Spec(lines)


def _below(line: Line, root: Root) -> Line:
    """An absolute path, or one in the home folder, that lies below the PATH: as seen from there."""
    text = line.text
    sign = "!" if text.startswith("!") else ""
    body = text[len(sign) :]
    if body.startswith("~/"):
        body = os.path.expanduser("~") + body[1:]
        line = Line(sign + body, line.any_case)
    top = os.fsdecode(root.path).rstrip("/") + "/"
    return Line(f"{sign}/{body[len(top) :]}", line.any_case) if body.startswith(top) else line


# ------------------------------------------------------------------------------------------------------------- choosing
Only = Mapping[bytes, "Only | None"]  # name -> what of it alone is wanted; None: all


def _tree(paths: Iterable[bytes]) -> Only | None:
    top: dict[bytes, Only | None] = {}
    for path in sorted(paths, key=lambda path: path.split(b"/")):
        node, parts = top, path.split(b"/")
        for part in parts[:-1]:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node.setdefault(parts[-1], None)
    return top or None


class Inside:
    """The rules as they are in one folder.  ``only``: the names in it that are looked at, None: all."""

    __slots__ = ("_ignores", "_kept", "_selector", "_spec", "_where", "only")

    def __init__(self, selector: Selector, spec: Spec, where: str, only: Only | None) -> None:
        self._selector = selector
        self._spec = spec
        self._where = where
        self.only = only
        self._ignores: tuple[tuple[Spec, int], ...] = ()
        self._kept: frozenset[bytes] | None = None

    def leaves_out(self, name: bytes, found: os.stat_result) -> bool:
        """Whether a thing in this folder is not stored."""
        if self._kept is not None:
            return name not in self._kept
        cap = self._selector.rules.larger_than
        if cap is not None and found.st_size > cap and stat.S_ISREG(found.st_mode):
            return True
        if not self._spec and not self._ignores:
            return False
        text, is_dir = os.fsdecode(name), stat.S_ISDIR(found.st_mode)
        path = self._where + text
        verdict = self._spec.verdict(path, text, is_dir)
        for spec, base in reversed(self._ignores):
            if verdict is not None:
                break
            verdict = spec.verdict(path[base:], text, is_dir)
        return bool(verdict)

    def enter(self, name: bytes, fd: int, names: Sequence[bytes]) -> Inside:
        """The rules in a folder of this one; ``fd``: its descriptor, ``names``: what is in it."""
        only = self.only[name] if self.only is not None else None
        inner = Inside(self._selector, self._spec, f"{self._where}{os.fsdecode(name)}/", only)
        inner._ignores = self._ignores
        inner._look(fd, names)
        return inner

    def _look(self, fd: int, names: Sequence[bytes]) -> None:
        there = frozenset(names)
        rules = self._selector.rules
        markers = [(name, text) for name, text in self._selector.markers if name in there]
        kept = [name for name, text in markers if not text or _begins(fd, name, len(text)) == text]
        self._kept = frozenset(kept) if kept else None
        if rules.gitignore and IGNORE_FILE in there:
            spec = Spec(lines(_split(_begins(fd, IGNORE_FILE, IGNORE_MAX))))
            if spec:
                self._ignores = (*self._ignores, (spec, len(self._where)))


class Selector:
    """The rules of a put.  Used by one thread."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        told = [marker.partition(":") for marker in rules.if_present]
        self.markers = [(os.fsencode(name), os.fsencode(text)) for name, _, text in told]
        if rules.caches:
            self.markers.append((os.fsencode(CACHEDIR[0]), CACHEDIR[1]))

    def leaves_out(self, root: Root, found: os.stat_result) -> bool:
        """Whether a PATH itself is not stored: a folder always is, a file is held against the patterns."""
        if stat.S_ISDIR(found.st_mode):
            return False
        above = Inside(self, _spec(tuple(_below(line, root) for line in self.rules.lines)), "", None)
        return above.leaves_out(root.path.rpartition(b"/")[2], found)

    def enter(self, root: Root, fd: int, names: Sequence[bytes]) -> Inside:
        """The rules in a PATH that is a folder."""
        spec = _spec(tuple(_below(line, root) for line in self.rules.lines))
        inside = Inside(self, spec, "", _tree(root.only))
        inside._look(fd, names)
        return inside


def _begins(fd: int, name: bytes, size: int) -> bytes:
    """The first bytes of a regular file in a folder; b'' where there is none that can be read (storing it tells)."""
    try:
        file = open_quietly(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
    except OSError:
        return b""
    try:
        return os.read(file, size) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(file)
