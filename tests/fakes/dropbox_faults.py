"""What can go wrong with the fake Dropbox on command, and the journal of what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
