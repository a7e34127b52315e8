"""CHECKS: the list itself."""

from __future__ import annotations

from webraid.backend.conformance.faults import FAULT_CHECKS
from webraid.backend.conformance.hygiene import HYGIENE_CHECKS
from webraid.backend.conformance.listing import LISTING_CHECKS
from webraid.backend.conformance.objects import OBJECT_CHECKS
from webraid.backend.conformance.promises import PROMISES
from webraid.backend.conformance.subject import Check

# The nine promises first, in the order of webraid/backend/base.py.
CHECKS: tuple[Check, ...] = (*PROMISES, *OBJECT_CHECKS, *LISTING_CHECKS, *FAULT_CHECKS, *HYGIENE_CHECKS)
