"""Signature version 4 as a cloud checks it: in the Authorization header or in the address (presigned)."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
import urllib.parse
from dataclasses import dataclass, field

from webraid.lab.http import Answer, Request, refuse

SKEW = 15 * 60  # seconds a client's clock may be off
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<signed>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says about who signed it, when and how."""

    access_key: str
    scope: tuple[str, str, str, str]  # day, region, 's3', 'aws4_request'
    signed: tuple[str, ...]  # names of the signed headers
    date: str
    payload: str
    expires: int | None  # seconds; presigned addresses only
    signature: str = field(repr=False)


def check(request: Request, access_key: str, secret_key: str, now: float) -> Answer | None:
    """None when ``request`` is signed with these keys at about ``now`` (seconds since the epoch), else the refusal."""
    claim = _claim(request)
    if isinstance(claim, Answer):
        return claim
    if claim.access_key != access_key:
        return refuse(403, "InvalidAccessKeyId", "The access key you provided does not exist in our records.")
    try:
        signed_at = calendar.timegm(time.strptime(claim.date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return refuse(403, "AccessDenied", "A valid x-amz-date is required.")
    if claim.expires is not None and now > signed_at + claim.expires:
        return refuse(403, "AccessDenied", "Request has expired.")
    if abs(now - signed_at) > SKEW and (claim.expires is None or signed_at > now):
        return refuse(403, "RequestTimeTooSkewed", "The clocks differ by more than 15 minutes.")
    if not hmac.compare_digest(_signature(request, claim, secret_key), claim.signature):
        return refuse(403, "SignatureDoesNotMatch", "The signature does not match the one calculated here.")
    return None


def _claim(request: Request) -> _Claim | Answer:
    if "X-Amz-Signature" in request.query:
        return _claim_of_address(request)
    text = request.headers.get("authorization", "")
    if not text:
        return refuse(403, "AccessDenied", "Anonymous access is off.")
    match = _AUTHORIZATION.fullmatch(text)
    payload = request.headers.get("x-amz-content-sha256")
    if not match:
        return refuse(400, "AuthorizationHeaderMalformed", "Only AWS4-HMAC-SHA256 is understood.")
    if payload is None:
        return refuse(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    date = request.headers.get("x-amz-date", "")
    return _assemble(match["credential"], match["signed"], date, payload, None, match["signature"])


def _claim_of_address(request: Request) -> _Claim | Answer:
    query = request.query
    expires = query.get("X-Amz-Expires", "")
    if query.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" or not (expires.isascii() and expires.isdigit()):
        return refuse(400, "AuthorizationQueryParametersError", "The X-Amz- parameters are incomplete.")
    names = ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Signature")
    credential, signed, date, signature = (query.get(name, "") for name in names)
    return _assemble(credential, signed, date, "UNSIGNED-PAYLOAD", int(expires), signature)


def _assemble(
    credential: str, signed: str, date: str, payload: str, expires: int | None, signature: str
) -> _Claim | Answer:
    access_key, *scope = credential.rsplit("/", 4)
    names = tuple(signed.split(";"))
    if len(scope) != 4 or scope[2:] != ["s3", "aws4_request"] or not date.startswith(scope[0]) or "host" not in names:
        return refuse(400, "AuthorizationHeaderMalformed", "The credential or the signed headers are malformed.")
    day, region, service, end = scope
    return _Claim(access_key, (day, region, service, end), names, date, payload, expires, signature)


def _signature(request: Request, claim: _Claim, secret_key: str) -> str:
    """Hex, as the owner of ``secret_key`` would have signed this request."""
    pairs = sorted(
        (urllib.parse.quote(name, safe=""), urllib.parse.quote(value, safe=""))
        for name, value in request.query.items()
        if name != "X-Amz-Signature"
    )
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in claim.signed)
    canonical = "\n".join((
        request.method,
        urllib.parse.quote(urllib.parse.unquote(request.path), safe="/~"),
        "&".join(f"{name}={value}" for name, value in pairs),
        headers,
        ";".join(claim.signed),
        claim.payload,
    ))  # fmt: skip
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", claim.date, "/".join(claim.scope), digest))
    key = b"AWS4" + secret_key.encode()
    for part in claim.scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
