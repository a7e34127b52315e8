"""ListObjects, versions 1 and 2: prefixes, delimiters, pages, url encoding."""

from __future__ import annotations

import base64
import bisect
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from webraid.lab.http import Answer, document, escape, refuse
from webraid.lab.store import Entry, Store

_AFTER_ALL = "\U0010ffff"  # sorts behind every key that begins the same


@dataclass(slots=True)
class Page:
    """Keys and folded prefixes of one answer; ``last`` is where the next one goes on, '' when nothing follows."""

    keys: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""

    @property
    def count(self) -> int:
        return len(self.keys) + len(self.prefixes)


def page(keys: list[str], prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """The first ``limit`` of the sorted ``keys`` behind ``after``, folded where ``delimiter`` follows ``prefix``."""
    out, last = Page(), ""
    at = bisect.bisect_left(keys, prefix)
    if after:
        at = max(at, bisect.bisect_right(keys, after))
    while at < len(keys) and keys[at].startswith(prefix):
        cut = keys[at].find(delimiter, len(prefix)) if delimiter else -1
        folded = keys[at][: cut + len(delimiter)] if cut >= 0 else ""
        if not (folded and after.startswith(folded)):  # else: its prefix was on an earlier page
            if out.count >= limit:
                out.last = last
                break
            (out.prefixes if folded else out.keys).append(folded or keys[at])
            last = folded or keys[at]
        at = bisect.bisect_left(keys, folded + _AFTER_ALL) if folded else at + 1
    return out


def list_objects(store: Store, bucket: str, query: dict[str, str]) -> Answer:
    """The answer to GET /bucket."""
    told = query.get("max-keys") or "1000"
    if not (told.isascii() and told.isdigit()):
        return refuse(400, "InvalidArgument", "max-keys is not a number.")
    second = query.get("list-type") == "2"
    after = query.get("start-after" if second else "marker", "")
    if second and "continuation-token" in query:
        try:
            after = base64.urlsafe_b64decode(query["continuation-token"].encode("ascii")).decode()
        except ValueError:
            return refuse(400, "InvalidArgument", "The continuation token is not one of ours.")
    found = page(store.keys(bucket), query.get("prefix", ""), query.get("delimiter", ""), after, min(int(told), 1000))
    entries = ((key, store.find(bucket, key)) for key in found.keys)
    contents = [(key, entry) for key, entry in entries if entry]  # one may have been removed by hand just now
    return document(_render(bucket, query, found, contents, second))


def _render(bucket: str, query: dict[str, str], found: Page, contents: list[tuple[str, Entry]], second: bool) -> str:
    url = query.get("encoding-type") == "url"
    encode: Callable[[str], str] = _url if url else escape
    more = bool(found.last)
    head = {
        "Name": escape(bucket), "Prefix": encode(query.get("prefix", "")),
        "MaxKeys": escape(query.get("max-keys") or "1000"), "IsTruncated": str(more).lower(),
    }  # fmt: skip
    if url:
        head["EncodingType"] = "url"
    if query.get("delimiter"):
        head["Delimiter"] = encode(query["delimiter"])
    if second:
        head["KeyCount"] = str(len(contents) + len(found.prefixes))
        for name, parameter in (("StartAfter", "start-after"), ("ContinuationToken", "continuation-token")):
            if parameter in query:
                head[name] = encode(query[parameter]) if name == "StartAfter" else escape(query[parameter])
    else:
        head["Marker"] = encode(query.get("marker", ""))
    if more and second:
        head["NextContinuationToken"] = base64.urlsafe_b64encode(found.last.encode()).decode()
    elif more:
        head["NextMarker"] = encode(found.last)
    rows = [_row(encode(key), entry) for key, entry in contents]
    rows += [f"<CommonPrefixes><Prefix>{encode(prefix)}</Prefix></CommonPrefixes>" for prefix in found.prefixes]
    return f"<ListBucketResult>{''.join(f'<{k}>{v}</{k}>' for k, v in head.items())}{''.join(rows)}</ListBucketResult>"


def _row(key: str, entry: Entry) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>{iso(entry.time)}</LastModified>"
        f"<ETag>&quot;{entry.etag}&quot;</ETag><Size>{entry.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def _url(text: str) -> str:
    return urllib.parse.quote(text, safe="/")


def iso(at: float) -> str:
    """Seconds since the epoch as S3 writes them in XML."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
