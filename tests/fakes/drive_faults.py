"""What can go wrong with the fake Drive on command, and the journal of what was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

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
OF_BODIES = ("reset_within", "truncated", "slow", "flipped_down")
ELSEWHERE = ("refuse", "reset_before", "lost", "flipped_up")
NAMES = (*REFUSALS, *OF_BODIES, *ELSEWHERE)


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


@dataclass
class Step:
    """What the next ``times`` requests of a method (its discovery name, or a part of it) are answered.

    ``after``: the request takes effect first: what was stored is stored, the answer says otherwise.
    """

    id: str
    refusal: Refusal
    times: int = 1
    after: bool = False


@dataclass
class Faults:
    """``name``: the fault of the moment, '' for none.  ``over``: set when it ends."""

    name: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    script: list[Step] = field(default_factory=list)
    journal: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def become(self, name: str) -> None:
        with self.lock:
            if name and name not in NAMES:
                raise ValueError(f"no such fault: {name}")
            self.name = name
            self.over.set()
            self.over = threading.Event()

    def take(self) -> str:
        """The fault that befalls a request of the API."""
        with self.lock:
            name = self.name
            if name == "expired_once":
                self.name = ""
            return name

    def step(self, method_id: str) -> Step | None:
        """What the script has for this request."""
        with self.lock:
            found = next((step for step in self.script if step.id in method_id), None)
            if found is not None:
                found.times -= 1
                if not found.times:
                    self.script.remove(found)
            return found


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
