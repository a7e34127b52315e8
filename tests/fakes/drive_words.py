"""The words of Drive's API that the fake knows: parameters, fields, the ``fields`` mask and the search language ``q``.

tests/conformance/test_gdrive_fake.py compares PARAMETERS and FIELDS with the discovery document that the SDK carries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

EVERYWHERE = frozenset({"alt", "fields", "prettyPrint", "quotaUser", "uploadType", "upload_protocol"})

# Method id of the discovery document -> the parameters that the fake looks at.  Others are answered with 400: what a
# client depends on must be simulated, not ignored.
PARAMETERS: Mapping[str, frozenset[str]] = {
    "drive.about.get": frozenset(),
    "drive.changes.getStartPageToken": frozenset(),
    "drive.changes.list": frozenset({"pageToken", "pageSize", "spaces", "includeRemoved"}),
    "drive.files.create": frozenset(),
    "drive.files.delete": frozenset(),
    "drive.files.emptyTrash": frozenset(),
    "drive.files.generateIds": frozenset({"count", "space", "type"}),
    "drive.files.get": frozenset({"acknowledgeAbuse"}),
    "drive.files.list": frozenset({"q", "pageSize", "pageToken", "orderBy", "spaces", "corpora"}),
    "drive.files.update": frozenset({"addParents", "removeParents"}),
}

_USER: Mapping[str, Any] = dict.fromkeys(("kind", "displayName", "me", "permissionId", "emailAddress"))
_FILE: Mapping[str, Any] = dict.fromkeys(
    (
        "kind", "id", "name", "mimeType", "parents", "appProperties", "createdTime", "modifiedTime", "trashed",
        "explicitlyTrashed", "size", "quotaBytesUsed", "md5Checksum", "sha256Checksum", "version",
        "headRevisionId", "spaces", "ownedByMe",
    )
)  # fmt: skip
_CHANGE: Mapping[str, Any] = {**dict.fromkeys(("kind", "changeType", "time", "removed", "fileId")), "file": _FILE}

# Schema -> its fields; below a field None, or the fields of what it holds.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "About": {
        "kind": None,
        "user": _USER,
        "storageQuota": dict.fromkeys(("limit", "usage", "usageInDrive", "usageInDriveTrash")),
        "maxUploadSize": None,
    },
    "File": _FILE,
    "FileList": {"kind": None, "incompleteSearch": None, "nextPageToken": None, "files": _FILE},
    "GeneratedIds": dict.fromkeys(("kind", "space", "ids")),
    "StartPageToken": dict.fromkeys(("kind", "startPageToken")),
    "ChangeList": {"kind": None, "nextPageToken": None, "newStartPageToken": None, "changes": _CHANGE},
}

# What comes without a mask: 'Return specific fields' and 'Create and manage files' of the Drive guides.
USUAL: Mapping[str, str] = {
    "File": "kind,id,name,mimeType",
    "FileList": "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)",
}


class BadWords(Exception):
    """A mask or a query that Drive would refuse with 400."""

    def __init__(self, reason: str, location: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.location, self.message = reason, location, message


# --------------------------------------------------------------------------------------------------------------- fields
def masked(told: Mapping[str, Any], schema: str, mask: str) -> dict[str, Any]:
    """``told`` cut down to ``mask`` ('' is what Drive gives without one).  An unknown field is 400 invalidParameter."""
    return _cut(told, _selection(mask or USUAL.get(schema, "*"), FIELDS[schema]), FIELDS[schema])


def _selection(mask: str, known: Mapping[str, Any]) -> dict[str, Any]:
    parser = _Mask(mask)
    chosen = parser.group(known)
    if parser.rest:
        raise BadWords("invalidParameter", "fields", f"Invalid field selection {parser.rest}")
    return chosen


class _Mask:
    """'kind,files(id,name),user/emailAddress,*': 'Return specific fields' of the Drive guides."""

    def __init__(self, text: str) -> None:
        self.rest = text.replace(" ", "")

    def group(self, known: Mapping[str, Any]) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        while True:
            chosen |= self._one(known)
            if not self.rest.startswith(","):
                return chosen
            self.rest = self.rest[1:]

    def _one(self, known: Mapping[str, Any]) -> dict[str, Any]:
        found = re.match(r"\*|[A-Za-z0-9]+", self.rest)
        name = found[0] if found else self.rest
        if name == "*":
            self.rest = self.rest[1:]
            return dict.fromkeys(known)
        if not found or name not in known:
            raise BadWords("invalidParameter", "fields", f"Invalid field selection {name}")
        self.rest = self.rest[len(name) :]
        below: Mapping[str, Any] = known[name] or {}
        if self.rest.startswith("/"):
            self.rest = self.rest[1:]
            return {name: self._one(below)}
        if self.rest.startswith("("):
            self.rest = self.rest[1:]
            chosen = self.group(below)
            if not self.rest.startswith(")"):
                raise BadWords("invalidParameter", "fields", f"Invalid field selection {self.rest}")
            self.rest = self.rest[1:]
            return {name: chosen}
        return {name: None}


def _cut(told: Any, chosen: Mapping[str, Any] | None, known: Mapping[str, Any] | None) -> Any:
    if chosen is None or known is None:
        return told
    if isinstance(told, list):
        return [_cut(one, chosen, known) for one in told]
    return {name: _cut(told[name], chosen[name], known[name]) for name in known if name in chosen and name in told}


# ---------------------------------------------------------------------------------------------------------------- query
Matches = Callable[[Mapping[str, Any]], bool]
_WORD = re.compile(r"\s*('(?:\\.|[^'\\])*'|!=|<=|>=|[=<>(){}]|[A-Za-z]+)")


def query(text: str, *, root: str) -> Matches:
    """A predicate on File resources, from 'Search query terms and operators' of the Drive guides: name, mimeType,
    trashed, parents, appProperties, modifiedTime; and, or, not, brackets.  Others are 400 invalid."""
    if not text:
        return lambda file: True
    parser = _Query(text, root)
    found = parser.either()
    if parser.words:
        raise parser.bad()
    return found


class _Query:
    def __init__(self, text: str, root: str) -> None:
        self.words: list[str] = []
        self.root = root
        at = 0
        while text[at:].strip():
            found = _WORD.match(text, at)
            if not found:
                raise self.bad()
            self.words.append(found[1])
            at = found.end()

    @staticmethod
    def bad() -> BadWords:
        return BadWords("invalid", "q", "Invalid Value")

    def take(self, *wanted: str) -> str:
        if not self.words or (wanted and self.words[0] not in wanted):
            raise self.bad()
        return self.words.pop(0)

    def value(self) -> str:
        word = self.take()
        if not word.startswith("'"):
            raise self.bad()
        return re.sub(r"\\(.)", r"\1", word[1:-1])

    def either(self) -> Matches:
        sides = [self.both()]
        while self.words[:1] == ["or"]:
            self.take()
            sides.append(self.both())
        return lambda file: any(side(file) for side in sides)

    def both(self) -> Matches:
        sides = [self.term()]
        while self.words[:1] == ["and"]:
            self.take()
            sides.append(self.term())
        return lambda file: all(side(file) for side in sides)

    def term(self) -> Matches:
        if self.words[:1] == ["not"]:
            self.take()
            inner = self.term()
            return lambda file: not inner(file)
        if self.words[:1] == ["("]:
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        if self.words[:1] and self.words[0].startswith("'"):
            parent = self.value()
            self.take("in")
            self.take("parents")
            wanted = self.root if parent == "root" else parent
            return lambda file: wanted in file.get("parents", ())
        return self.field(self.take("name", "mimeType", "trashed", "appProperties", "modifiedTime"))

    def field(self, name: str) -> Matches:
        if name == "appProperties":
            self.take("has")
            wanted = {}
            self.take("{")
            for part in ("key", "value"):
                self.take(part)
                self.take("=")
                wanted[part] = self.value()
                if part == "key":
                    self.take("and")
            self.take("}")
            return lambda file: file.get("appProperties", {}).get(wanted["key"]) == wanted["value"]
        if name == "trashed":
            sign, truth = self.take("=", "!="), self.take("true", "false") == "true"
            return lambda file: (file.get("trashed", False) == truth) == (sign == "=")
        sign, value = self.take("=", "!=", "contains", "<", ">", "<=", ">="), self.value()
        return lambda file: _compare(name, sign, str(file.get(name, "")), value)


def _compare(name: str, sign: str, theirs: str, value: str) -> bool:
    if sign == "contains":  # 'only performs prefix matching for a name term', by words
        return any(word.startswith(value.lower()) for word in [theirs.lower(), *re.split(r"\W+", theirs.lower())])
    if sign in ("=", "!="):  # names are compared without regard to case: rclone's drive backend looks again, too
        return (theirs.casefold() == value.casefold() if name == "name" else theirs == value) == (sign == "=")
    return {"<": theirs < value, ">": theirs > value, "<=": theirs <= value, ">=": theirs >= value}[sign]
