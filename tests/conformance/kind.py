"""What the suite is run on: a kind of disk at a server, and what does not apply or is known to go wrong there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance import servers
from webraid.backend.conformance import CHECKS, FAULTS, Check, Subject
from webraid.backend.conformance.hygiene import HYGIENE_CHECKS
from webraid.backend.conformance.promises import only_backend_error_and_its_children_come_out

PREFIX = "scratch/"
SLOW_TIMEOUT = 0.5  # seconds; only for the one check that waits for it to pass


@dataclass(frozen=True)
class Deviation:
    """What a server does otherwise than it should.  ``seen``: true while the server of ``kind`` behaves so.
    ``reason``: why we can live with it.  ``check``: the one that it fails, always or now and then, if any."""

    kind: str
    name: str
    seen: Callable[[Subject], bool]
    reason: str
    check: str = ""


@dataclass(frozen=True)
class Kind:
    """``checks``: what is run; another kind covers the rest.  ``without``: those of them that do not apply, because
    nothing here has what they need; a test holds that they are reported so.  ``deviates``: those that this server fails
    now and then; each has a Deviation, which shows that it does.  ``backend`` and ``server``: the row's names in the
    matrix of docs/backends/README.md ('' in ``server``: the row is not in it, another row of the same server is).
    ``deep``: its server is installed by 'make deep' only."""

    make: Callable[[Path], contextlib.AbstractContextManager[Subject]]
    without: frozenset[str] = frozenset()
    checks: tuple[Check, ...] = CHECKS
    deviates: frozenset[str] = frozenset()
    backend: str = ""
    server: str = ""
    deep: bool = False


def needing(*what: str) -> frozenset[str]:
    """The names of the checks that cannot do without one of these."""
    return frozenset(check.__name__ for check in CHECKS if set(getattr(check, "needs", ())) & set(what))


ANY_FAULT = needing(*FAULTS, "requests")
UNDER_FAULTS = (
    *(check for check in CHECKS if check.__name__ in ANY_FAULT - needing("slow")),
    only_backend_error_and_its_children_come_out,
    *HYGIENE_CHECKS,
)


def injector(front: servers.FaultyFront, name: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Brings one fault about while it is entered."""
    return lambda: front.fault(name)


def injectors(
    front: servers.FaultyFront, *, without: frozenset[str] = frozenset({"slow"})
) -> Mapping[str, Callable[[], contextlib.AbstractContextManager[None]]]:
    """Every fault that the proxy can bring about."""
    return {name: injector(front, name) for name in FAULTS if name not in without}
