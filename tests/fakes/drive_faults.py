"""What can go wrong with the fake Drive on command, and the journal of what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakes.drive_store import Refusal

# Names are those of webraid.backend.conformance.FAULTS.  Reasons and codes: 'Resolve errors' of the Drive guides.
REFUSALS: Mapping[str, Refusal] = {
    "busy": Refusal(503, "backendError", "Backend Error"),
    "limited": Refusal(429, "rateLimitExceeded", "Rate Limit Exceeded"),
    "limited_for_7": Refusal(429, "rateLimitExceeded", "Rate Limit Exceeded", headers={"Retry-After": "7"}),
    "expired": Refusal(401, "authError", "Invalid Credentials"),
    "expired_once": Refusal(401, "authError", "Invalid Credentials"),
    "full": Refusal(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded."),
}


@dataclass(frozen=True)
class Seen:
    """One request of the journal.  ``id``: the method's name in the discovery document; 'oauth' for the token
    endpoint; ``strange``: parameters that the fake does not simulate."""

    id: str
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    size: int
    strange: tuple[str, ...] = ()


def told(refusal: Refusal) -> bytes:
    """The body of an error answer, as 'Resolve errors' shows it."""
    limits = ("Exceeded", "accessNotConfigured")
    error: dict[str, object] = {
        "domain": "usageLimits" if refusal.reason.endswith(limits) else "global",
        "reason": refusal.reason,
        "message": refusal.message,
    }
    if refusal.location:
        error |= {"locationType": "parameter", "location": refusal.location}
    return json.dumps({"error": {"code": refusal.status, "message": refusal.message, "errors": [error]}}).encode()
