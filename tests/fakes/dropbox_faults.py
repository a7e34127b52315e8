"""What can go wrong with the fake Dropbox on command, and the journal of what was asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.dropbox_words import (
    Refusal,
    Told,
    limited,
    limited_in_plain_text,
    unauthorised,
    unavailable,
)

# Names are those of webraid.backend.conformance.FAULTS.  'full' is the quota's affair.
REFUSALS: Mapping[str, Refusal] = {
    "busy": unavailable(),
    "limited": limited_in_plain_text(),
    "limited_for_7": limited("too_many_requests", 7),
    "expired": unauthorised("invalid_access_token"),
    "expired_once": unauthorised("invalid_access_token"),
}
OF_BODIES = ("reset_within", "truncated", "slow", "flipped_down")
ELSEWHERE = ("refuse", "full", "reset_before", "lost", "flipped_up")
NAMES = (*REFUSALS, *OF_BODIES, *ELSEWHERE)


@dataclass(frozen=True)
class Seen:
    """One request of the journal.  ``route``: 'files/upload', or 'oauth2/token'; ``told``: the JSON of the answer, None
    where it has none; ``size``: bytes of its body.  Tokens are in none of it."""

    route: str
    arg: Told | None
    status: int
    told: object = None
    size: int = 0
    kind: str = ""


@dataclass
class Step:
    """What the next ``times`` requests of a route (its name, or a part of it) are answered.

    ``after``: the request takes effect first: what was stored is stored, the answer says otherwise.
    """

    route: str
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

    def step(self, route: str) -> Step | None:
        """What the script has for this request."""
        with self.lock:
            found = next((step for step in self.script if step.route in route), None)
            if found is not None:
                found.times -= 1
                if not found.times:
                    self.script.remove(found)
            return found
