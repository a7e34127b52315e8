"""Uploads in parts: begin, parts, list, complete, abort."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from webraid.lab.http import Answer, document, escape, refuse

MIN_PART = 5 << 20  # bytes; only the last part may be smaller


@dataclass(frozen=True, slots=True)
class Part:
    file: Path
    size: int
    etag: str


@dataclass(slots=True)
class Upload:
    """An upload in parts that has not been completed."""

    bucket: str
    key: str
    headers: dict[str, str]
    parts: dict[int, Part] = field(default_factory=dict)

    def put(self, number: int, part: Part) -> None:
        """Take a part; one of the same number is replaced."""
        self._drop(self.parts.pop(number, None))
        self.parts[number] = part

    def discard(self) -> None:
        for part in self.parts.values():
            self._drop(part)
        self.parts.clear()

    def chosen(self, wish: bytes) -> list[Part] | Answer:
        """The parts that a CompleteMultipartUpload document names, in order; or why not."""
        try:
            wanted = [
                (int(_text(item, "PartNumber")), _text(item, "ETag").strip('"'))
                for item in ElementTree.fromstring(wish)
                if _local(item) == "Part"
            ]
        except (ElementTree.ParseError, ValueError):
            return refuse(400, "MalformedXML")
        numbers = [number for number, _ in wanted]
        if not numbers:
            return refuse(400, "MalformedXML", "No part is named.")
        if numbers != sorted(set(numbers)):
            return refuse(400, "InvalidPartOrder")
        parts = [self.parts.get(number) for number, _ in wanted]
        if any(part is None or part.etag != etag for part, (_, etag) in zip(parts, wanted, strict=True)):
            return refuse(400, "InvalidPart", "A part is missing or has another ETag.")
        found = [part for part in parts if part]
        if any(part.size < MIN_PART for part in found[:-1]):
            return refuse(400, "EntityTooSmall", "Only the last part may be smaller than 5 MiB.")
        return found

    def join(self, parts: list[Part]) -> tuple[Path, str]:
        """One file made of ``parts`` (the first grows), and its ETag."""
        first = parts[0].file
        with first.open("ab") as out:
            for part in parts[1:]:
                with part.file.open("rb") as piece:
                    shutil.copyfileobj(piece, out, 1 << 20)
        self.parts = {number: part for number, part in self.parts.items() if part is not parts[0]}
        self.discard()
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
        return first, f"{digest.hexdigest()}-{len(parts)}"

    def listing(self, upload_id: str) -> Answer:
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{part.etag}&quot;</ETag><Size>{part.size}</Size></Part>"
            for number, part in sorted(self.parts.items())
        )
        return document(
            f"<ListPartsResult><Bucket>{escape(self.bucket)}</Bucket><Key>{escape(self.key)}</Key>"
            f"<UploadId>{upload_id}</UploadId><IsTruncated>false</IsTruncated>{rows}</ListPartsResult>"
        )

    @staticmethod
    def _drop(part: Part | None) -> None:
        if part:
            part.file.unlink(missing_ok=True)


def _local(item: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return item.tag.rpartition("}")[2]


def _text(item: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in item if _local(child) == name), "")


def keys_to_delete(wish: bytes) -> tuple[list[str], bool] | None:
    """The keys that a DeleteObjects document names, and whether it asks for a quiet answer; None: malformed."""
    try:
        root = ElementTree.fromstring(wish)
    except ElementTree.ParseError:
        return None
    keys = [_text(item, "Key") for item in root if _local(item) == "Object"]
    return (keys, _text(root, "Quiet").lower() == "true") if keys and all(keys) and len(keys) <= 1000 else None
