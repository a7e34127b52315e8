"""The public API: disks come, go, are tried out and logged in to again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from webraid.pool.base import NONE, Opened

if TYPE_CHECKING:
    from webraid.backend.conformance import Result
    from webraid.backend.login import Dialogue
    from webraid.backend.probe import Speed
    from webraid.jobs.disks.add_backend import Added
    from webraid.jobs.disks.login import Reached


class Disks(Opened):
    """The disks of a pool."""

    def add_backend(
        self, kind: str, name: str, options: Mapping[str, object], *, secrets: Mapping[str, str] = NONE,
        dialogue: Dialogue | None = None, domain: str = "", capacity: int | None = None,
        reserve: int | None = None,
    ) -> Added:  # fmt: skip
        """Add a disk: log in, claim the place, fill it with the table, let it count."""
        reached = self.log_in(kind, name, options, secrets=secrets, dialogue=dialogue)
        return self.join(reached, domain=domain, capacity=capacity, reserve=reserve)

    def log_in(
        self, kind: str, name: str, options: Mapping[str, object], *, secrets: Mapping[str, str] = NONE,
        dialogue: Dialogue | None = None,
    ) -> Reached:  # fmt: skip
        """The first half of add_backend: nothing is kept yet.  Options may hold '${NAME}', ``secrets`` are literal."""
        from webraid.jobs.disks.add_backend import check_name
        from webraid.jobs.disks.login import Nobody, reach

        check_name(self._ctx, name)
        asked = dialogue or Nobody(self._ctx.env)
        return reach(self._ctx.settings, kind=kind, name=name, options=options, secrets=secrets, dialogue=asked)

    def join(
        self, reached: Reached, *, domain: str = "", capacity: int | None = None, reserve: int | None = None
    ) -> Added:  # fmt: skip
        """The second half of add_backend."""
        from webraid.jobs.base.context import locked
        from webraid.jobs.disks.add_backend import add_backend

        with locked(self._ctx.settings.places):
            return add_backend(self._ctx, reached, domain=domain, capacity=capacity, reserve=reserve)

    def kind_of(self, name: str) -> str:
        """The kind of a disk.  Raises NotInTable."""
        from webraid.jobs.disks.backends import find_disk

        return find_disk(self._ctx, name).kind

    def log_in_again(
        self, name: str, options: Mapping[str, object] = NONE, *, secrets: Mapping[str, str] = NONE,
        dialogue: Dialogue | None = None,
    ) -> Reached:  # fmt: skip
        """Renew the login of a disk; ``keep_login`` keeps it.  What is given goes before what was known."""
        from webraid.jobs.disks.login import Nobody, reach_again

        asked = dialogue or Nobody(self._ctx.env)
        return reach_again(self._ctx, name, options=options, secrets=secrets, dialogue=asked)

    def keep_login(self, reached: Reached) -> None:
        """Try a renewed login out, then keep it here and, sealed, on the disks."""
        from webraid.jobs.disks.login import keep_login

        keep_login(self._ctx, reached)

    def remove_backend(self, *names: str, force: bool = False, lost: bool = False) -> int:
        """Take disks out; returns what the pool survives without them.  ``lost``: they are gone for good, and are not
        waited for; those that are lost together are named together."""
        from webraid.jobs.disks.backends import remove_disks

        return remove_disks(self._ctx, names, force=force, lost=lost)

    def set_spare(self, name: str, *, spare: bool = True) -> None:
        """Make a disk that holds no data a hot spare, which takes a lost disk's place; or an active disk again."""
        from webraid.jobs.disks.roles import set_spare

        set_spare(self._ctx, name, spare=spare)

    def move_domain(self, name: str, domain: str) -> None:
        """Say with which other disks a disk fails; ``rebalance`` moves what lies wrongly then."""
        from webraid.jobs.disks.backends import move_domain

        move_domain(self._ctx, name, domain)

    def test_backend(self, name: str, on_result: Callable[[Result], None] = lambda result: None) -> list[Result]:
        """Run the conformance checks on a disk."""
        from webraid.jobs.disks.backends import test_backend

        return test_backend(self._ctx, name, on_result)

    def measure_backend(self, name: str) -> Speed:
        """Measure how fast a disk is, with a few MiB."""
        from webraid.jobs.disks.backends import measure_disk

        return measure_disk(self._ctx, name)
