"""Single objects: put, get, head, copy; conditions and ranges."""

from __future__ import annotations

import email.utils
import re
import shutil
import urllib.parse

from webraid.lab.body import Body
from webraid.lab.http import Answer, FilePart, Request, document, refuse
from webraid.lab.link import Link
from webraid.lab.listing import iso
from webraid.lab.store import Entry, Store

_KEPT = ("content-type", "cache-control", "content-disposition", "content-language", "expires")


def kept_headers(request: Request) -> dict[str, str]:
    """The headers of an upload that its object is served with."""
    told = request.headers
    headers = {name: value for name, value in told.items() if name.startswith("x-amz-meta-") or name in _KEPT}
    coding = [part.strip() for part in told.get("content-encoding", "").split(",")]
    coding = [part for part in coding if part not in ("", "aws-chunked")]
    return {**headers, "content-encoding": ",".join(coding)} if coding else headers


def put_object(link: Link, request: Request, body: Body) -> Answer:
    old = link.store.find(request.bucket, request.key)
    wanted = request.headers.get("if-match")
    if wanted is not None and old is None:
        return refuse(404, "NoSuchKey")
    taken = old is not None and request.headers.get("if-none-match") == "*"
    if taken or (old and wanted is not None and not _names(wanted, old)):
        return refuse(412, "PreconditionFailed", "At least one of the preconditions did not hold.")
    refused = link.admit_size(body.size, old.size if old else 0)
    if refused or body.file is None:
        return refused or refuse(400, "IncompleteBody")
    link.store.add(request.bucket, request.key, body.file, body.md5, {**kept_headers(request), **body.checksums})
    body.file = None
    return Answer(200, {"ETag": f'"{body.md5}"', **body.checksums})


def copy_object(link: Link, request: Request) -> Answer:
    source = urllib.parse.unquote(request.headers["x-amz-copy-source"]).lstrip("/")
    bucket, _, key = source.partition("/")
    entry = link.store.find(bucket, key) if key and link.store.has_bucket(bucket) else None
    if entry is None:
        return refuse(404, "NoSuchKey")
    if link.store.find(request.bucket, request.key) and request.headers.get("if-none-match") == "*":
        return refuse(412, "PreconditionFailed")
    refused = link.admit_size(entry.size)
    if refused:
        return refused
    file = link.store.new_file()
    shutil.copyfile(link.store.path(bucket, key), file)
    replace = request.headers.get("x-amz-metadata-directive", "").upper() == "REPLACE"
    headers = kept_headers(request) if replace else entry.headers
    made = link.store.add(request.bucket, request.key, file, entry.etag, headers)
    return document(
        f"<CopyObjectResult><ETag>&quot;{made.etag}&quot;</ETag>"
        f"<LastModified>{iso(made.time)}</LastModified></CopyObjectResult>"
    )


def get_object(store: Store, request: Request) -> Answer:
    """GET and HEAD; the connection leaves the body of a HEAD out."""
    entry = store.find(request.bucket, request.key)
    if entry is None:
        return refuse(404, "NoSuchKey", "The specified key does not exist.")
    headers = {
        "ETag": f'"{entry.etag}"', "Last-Modified": email.utils.formatdate(entry.time, usegmt=True),
        "Accept-Ranges": "bytes", "Content-Type": "binary/octet-stream",
    }  # fmt: skip
    failed = _failed_condition(request, entry)
    if failed == 304:
        return Answer(304, headers)
    if failed:
        return refuse(failed, "PreconditionFailed")
    span = _range(request.headers.get("range", ""), entry.size)
    if span is None:
        return refuse(416, "InvalidRange", Content_Range=f"bytes */{entry.size}")
    offset, length, partial = span
    with_sums = not partial and request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED"
    for name, value in entry.headers.items():
        if with_sums or not name.startswith("x-amz-checksum-"):
            headers["Content-Type" if name == "content-type" else name] = value
    if partial:
        headers["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{entry.size}"
    part = FilePart(store.path(request.bucket, request.key), offset, length)
    return Answer(206 if partial else 200, headers, part)


def _names(header: str, entry: Entry) -> bool:
    """Does an If-Match or If-None-Match header name this object's state?"""
    return header.strip() == "*" or any(tag.strip().strip('"') == entry.etag for tag in header.split(","))


def _failed_condition(request: Request, entry: Entry) -> int:
    """304 or 412 when a condition does not hold, else 0.  The ETag conditions win over those on dates."""
    headers, changed = request.headers, int(entry.time)
    if "if-match" in headers:
        if not _names(headers["if-match"], entry):
            return 412
    elif changed > _date(headers.get("if-unmodified-since", ""), changed):
        return 412
    if "if-none-match" in headers:
        return 304 if _names(headers["if-none-match"], entry) else 0
    return 304 if changed <= _date(headers.get("if-modified-since", ""), changed - 1) else 0


def _date(text: str, otherwise: float) -> float:
    """An HTTP date in seconds since the epoch; ``otherwise`` when there is none that can be read."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() if text else otherwise
    except ValueError:
        return otherwise


def _range(header: str, size: int) -> tuple[int, int, bool] | None:
    """(offset, length, is it a part) that a Range header asks of ``size`` bytes; None: it cannot be satisfied."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip(), re.ASCII)
    if not match or not (match[1] or match[2]):
        return 0, size, False  # several ranges or none: S3 sends the whole object
    first, last = match[1], match[2]
    if first and last and int(first) > int(last):
        return 0, size, False
    offset = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    return (offset, end - offset + 1, True) if offset < size and end >= offset else None
