"""What a plug-in and its server said to each other, without anything that is anybody's: the redacted journal.

An exchange is kept as its shape: method, path without names, names of query parameters and headers, status, the
error's reason, and the names of the fields of a JSON or XML answer.  No values, no bodies, no names, no tokens; equal
shapes are one entry, so that not even the order of the requests is told.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

# The words a kind's interface itself puts at the beginning of a path; whatever else stands in one is somebody's name
# for something, and in the others' paths everything is.
_WORDS = {
    "gdrive": "upload drive v3 files about generateIds changes startPageToken trash token oauth2",
    "dropbox": """2 files users oauth2 token upload download get_metadata list_folder continue get_latest_cursor
        delete_v2 upload_session start start_batch append_v2 finish finish_batch_v2 delete_batch check
        create_folder_v2 get_space_usage get_current_account""",
    "rclone": """config operations core serve job create get list stat version about fsinfo deletefile uploadfile
        movefile mkdir purge quit start stop status providers""",
}
API_WORDS: Mapping[str, frozenset[str]] = {kind: frozenset(words.split()) for kind, words in _WORDS.items()}
# Query parameters whose values belong to the request's shape.
TELLING = frozenset({"alt", "uploadType", "list-type"})
# Objects whose field names are the user's own.
OWN_KEYS = frozenset({"appProperties", "properties", "exportLinks", "metadata"})
_WORD = re.compile(r"[A-Za-z@.$_][\w.$-]{0,60}")
_REASON = re.compile(r"[A-Za-z0-9_.-]{1,80}(/[A-Za-z0-9_.-]{1,80}){0,5}")


@dataclass(frozen=True, order=True)
class Shape:
    """An exchange, as far as it is told; ``reason`` is '' where the answer is no error or names none."""

    method: str
    path: str
    query: tuple[str, ...]
    status: int
    reason: str

    @property
    def request(self) -> str:
        """The request alone, readable."""
        return f"{self.method} {self.path}" + (f"?{'&'.join(self.query)}" if self.query else "")

    @property
    def outcome(self) -> str:
        return f"{self.status} {self.reason}".strip()


@dataclass
class Seen:
    """Names that came with exchanges of one shape: of the answers' fields, of both sides' headers."""

    fields: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    came: set[str] = field(default_factory=set)


class Journal:
    """All shapes of one recording of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.shapes: dict[Shape, Seen] = {}

    def add(
        self, *, method: str, target: str, sent: Iterable[str], status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """One exchange as it was; only its shape is kept.  ``headers``: lower-case names."""
        path, query = template(self.kind, target)
        fields, reason = _told(headers, body, failed=status >= 400)
        seen = self.shapes.setdefault(Shape(method, path, query, status, reason), Seen())
        seen.fields |= fields
        seen.sent |= {name.lower() for name in sent}
        seen.came |= set(headers)

    def save(self, path: Path) -> None:
        """One shape a line, sorted; a header line first."""
        lines = [{"kind": self.kind, "format": 1}]
        for shape, seen in sorted(self.shapes.items()):
            lines.append(
                {
                    "method": shape.method, "path": shape.path, "query": list(shape.query), "status": shape.status,
                    "reason": shape.reason, "fields": sorted(seen.fields), "sent": sorted(seen.sent),
                    "came": sorted(seen.came),
                }
            )  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    @classmethod
    def load(cls, path: Path) -> Journal:
        head, *lines = (json.loads(line) for line in path.read_text().splitlines())
        made = cls(head["kind"])
        for one in lines:
            shape = Shape(one["method"], one["path"], tuple(one["query"]), one["status"], one["reason"])
            made.shapes[shape] = Seen(set(one["fields"]), set(one["sent"]), set(one["came"]))
        return made


def template(kind: str, target: str) -> tuple[str, tuple[str, ...]]:
    """A request's path with '{}' for all that is not the interface's own, and its query's names."""
    url = urlsplit(target)
    parts = [part for part in url.path.split("/") if part]
    words = list(itertools.takewhile(lambda part: part in API_WORDS.get(kind, ()), parts))
    path = "/" + "/".join([*words, *(["{}"] if len(words) < len(parts) else [])])
    pairs = parse_qsl(url.query, keep_blank_values=True)
    names = {f"{name}={value}" if name in TELLING and value.isalnum() else name for name, value in pairs}
    return path, tuple(sorted(name if _WORD.fullmatch(name.partition("=")[0]) else "{}" for name in names))


def _told(headers: Mapping[str, str], body: bytes, *, failed: bool) -> tuple[set[str], str]:
    """Names of an answer's fields, and the reason it gives for a failure."""
    kind = headers.get("content-type", "")
    if headers.get("content-encoding") == "gzip" and body:
        body = gzip.decompress(body)
    if not body.strip():
        return set(), ""
    try:
        if "json" in kind:
            told = json.loads(body)
            return set(_json_fields(told, "")), _safe(_json_reason(told)) if failed else ""
        if "xml" in kind:
            root = ElementTree.fromstring(body)
            return set(_xml_fields(root, "")), _safe(_xml_reason(root)) if failed else ""
    except (ValueError, ElementTree.ParseError):
        return {"<unreadable>"}, ""
    return set(), ""


def _json_fields(told: object, where: str) -> Iterator[str]:
    if isinstance(told, list):
        for one in told:
            yield from _json_fields(one, f"{where}[]")
    elif isinstance(told, dict):
        for name, value in told.items():
            place = f"{where}.{name}" if where else name
            if not _WORD.fullmatch(name):
                yield f"{where}.{{}}"
                continue
            yield place
            if name not in OWN_KEYS:
                yield from _json_fields(value, place)


def _json_reason(told: object) -> str:
    """Google: error.errors[0].reason; OAuth: error; Dropbox: the tags from the outside inwards."""
    if not isinstance(told, dict):
        return ""
    error = told.get("error", told)
    if isinstance(error, str):
        return error
    if isinstance(error, dict) and isinstance(error.get("errors"), list) and error["errors"]:
        return str(error["errors"][0].get("reason", ""))
    tags = []
    while isinstance(error, dict):
        tag = error.get(".tag")
        tags += [tag] if isinstance(tag, str) else []
        error = error.get(str(tag), error.get("reason"))
    return "/".join(tags) or (str(error) if isinstance(error, str) else "")


def _xml_fields(node: ElementTree.Element, where: str) -> Iterator[str]:
    name = node.tag.rpartition("}")[2]
    place = f"{where}/{name}" if where else name
    yield place
    for child in node:
        yield from _xml_fields(child, place)


def _xml_reason(root: ElementTree.Element) -> str:
    """S3: Code; Sabre's DAV servers: exception."""
    for name in ("Code", "exception"):
        found = next((node for node in root.iter() if node.tag.rpartition("}")[2] == name), None)
        if found is not None:
            return (found.text or "").strip()
    return ""


def _safe(reason: str) -> str:
    return reason if _REASON.fullmatch(reason) else ""
