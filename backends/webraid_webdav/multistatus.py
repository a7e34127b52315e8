"""PROPFIND: what to ask for, and the entries of what comes (RFC 4918, RFC 4331).  No I/O here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from webraid.errors import ProtocolError, Unavailable
from webraid_webdav.options import Parts

DAV, OC = "{DAV:}", "{http://owncloud.org/ns}"
MAX_LISTING = 128 << 20  # bytes; a folder of 100 000 objects takes about 50 MiB

_ASK = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<D:propfind xmlns:D="DAV:" xmlns:o="http://owncloud.org/ns"><D:prop>%s</D:prop></D:propfind>'
)
OBJECTS = (_ASK % "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/>").encode()
OBJECTS_WITH_HASHES = (_ASK % "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/><o:checksums/>").encode()
QUOTA = (_ASK % "<D:resourcetype/><D:quota-available-bytes/><D:quota-used-bytes/>").encode()
PRODUCT = (_ASK % "<D:resourcetype/><o:id/>").encode()

_STATUS = re.compile(r"HTTP/\S+ (\d{3})\b")
_NUMBER = re.compile(r"-?\d{1,18}")
_HASHES = {"SHA256": ("sha256", 64), "SHA1": ("sha1", 40), "MD5": ("md5", 32)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource.  ``parts``: its path, decoded.  ``size`` in bytes, None for what has none; ``modified``: an HTTP
    date; ``hashes``: algorithm -> hex as told; ``free`` and ``used``: bytes, None where not told or not known;
    ``product``: it has an ownCloud id."""

    parts: Parts
    folder: bool = False
    size: int | None = None
    modified: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    free: int | None = None
    used: int | None = None
    product: bool = False


class _Tree(ElementTree.TreeBuilder):
    """No document types: no entities that grow, none that name files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ProtocolError("a listing with a document type: refused, it could be a trap")


def entries(body: bytes) -> Iterator[Entry]:
    """The entries that are there, in the server's order.  Raises ProtocolError, Unavailable."""
    for response in _root(body).iterfind(f"{DAV}response"):
        if _status(response.findtext(f"{DAV}status")) in (None, 200):
            yield _entry(response)


def first_failure(body: bytes) -> int:
    """The first status of a 207 that means a failure; 207 where there is none."""
    found = (_status(element.text) for element in _root(body).iter(f"{DAV}status"))
    return next((status for status in found if status is not None and status >= 300), 207)


def _root(body: bytes) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(body, ElementTree.XMLParser(target=_Tree()))
    except ElementTree.ParseError as error:  # 'rclone serve webdav' ends one so when a file goes while it looks
        raise Unavailable("the listing broke off", provider_code="XML") from error
    except (ValueError, LookupError) as error:  # an encoding nobody knows
        raise ProtocolError("the listing is no XML") from error
    if root.tag != f"{DAV}multistatus":
        raise ProtocolError("the listing is not WebDAV's")
    return root


def _entry(response: ElementTree.Element) -> Entry:
    prop = ElementTree.Element("none")
    for propstat in response.iterfind(f"{DAV}propstat"):
        if _status(propstat.findtext(f"{DAV}status")) in (None, 200):
            prop.extend(propstat.find(f"{DAV}prop") or ())
    kind = prop.find(f"{DAV}resourcetype")
    return Entry(
        parts=_parts(response.findtext(f"{DAV}href") or ""),
        folder=kind is not None and kind.find(f"{DAV}collection") is not None,
        size=_number(prop, "getcontentlength"),
        modified=prop.findtext(f"{DAV}getlastmodified") or "",
        hashes=_hashes(" ".join(element.text or "" for element in prop.iter(f"{OC}checksum"))),
        free=_number(prop, "quota-available-bytes"),
        used=_number(prop, "quota-used-bytes"),
        product=bool(prop.findtext(f"{OC}id")),
    )


def _parts(href: str) -> Parts:
    """A path or a whole URL; whose it is does not matter, it is compared with what was asked for."""
    try:
        path = urlsplit(href.strip()).path
    except ValueError:
        raise ProtocolError("a listing with an address that is none") from None
    return tuple(unicodedata.normalize("NFC", unquote(part)) for part in path.split("/") if part)


def _number(prop: ElementTree.Element, name: str) -> int | None:
    """Negative figures are Nextcloud's words for 'not known' (-1, -2) and 'no limit' (-3)."""
    text = (prop.findtext(f"{DAV}{name}") or "").strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise ProtocolError(f"{name} is no number")
    return int(text) if int(text) >= 0 else None


def _hashes(text: str) -> tuple[tuple[str, str], ...]:
    """'SHA1:abc MD5:def' as (('sha1', 'abc'), ('md5', 'def')); what is none of ours is left out."""
    found = {}
    for word in text.split():
        algorithm, _, value = word.partition(":")
        name, length = _HASHES.get(algorithm.upper(), ("", 0))
        if name and re.fullmatch(rf"[0-9a-f]{{{length}}}", value.lower()):
            found[name] = value.lower()
    return tuple(found.items())


def _status(text: str | None) -> int | None:
    if text is None:
        return None
    found = _STATUS.search(text)
    if not found:
        raise ProtocolError("a listing with a status that is none")
    return int(found[1])
