"""Disks that fill up, lie or fall silent while data move."""

from __future__ import annotations

from dataclasses import replace

from tests.pool.machine import Home
from tests.pool.moving import Make, comes_back, filled, join, legal, weakest
from webraid.backend.base import Backend
from webraid.backend.faulty import Fault, Faults, Step
from webraid.backend.wrapper import Op
from webraid.errors import EXIT_OK
from webraid.jobs.base.events import ShardFound
from webraid.pool import Pool, open_pool


def opened(machine: Home, faults: dict[str, Faults]) -> Pool:
    """The pool, with faults around some disks."""

    def wrap(name: str, opener):  # type: ignore[no-untyped-def]
        return faults[name].opener(opener) if name in faults else opener

    return open_pool(replace(machine.settings, wrap=wrap))


def on_shards(fault: Fault, count: int) -> Faults:
    """The next so many requests for shards that it fits meet this fault."""
    faults = Faults(1)
    faults.script = [Step(fault, name="shards/") for _ in range(count)]
    return faults


def test_when_the_new_disk_fills_up_others_take_the_rest(small: Make) -> None:
    machine = small("rs:2+2", 6)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 7)
    with opened(machine, {"d7": on_shards(Fault.FULL, 1)}) as pool:
        result = pool.replace("d1", "d7")
        assert result.carried.elsewhere and result.exit_code == EXIT_OK and result.removed
        assert weakest(pool) == 2 and legal(pool)
    assert comes_back(machine, source)


def test_a_disk_that_stores_other_bytes_than_it_was_given_does_not_get_away_with_it(small: Make) -> None:
    """Whatever it answers: every moved shard is read back where the provider does not vouch for it."""
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
    lying = on_shards(Fault.FLIP, 1)
    lying.script.insert(0, Step(None, Op.GET, "shards/"))  # not only the first one is looked at
    with opened(machine, {"d6": _Unvouched(lying)}) as pool:  # type: ignore[dict-item]
        result = pool.replace("d1", "d6")
        assert not lying.script, "nothing was read back"
        assert any(isinstance(event, ShardFound) and event.disk == "d6" for event in machine.events)
        assert result.carried.waiting == 0 and result.removed, "it was sent once more"
        assert weakest(pool) == 2 and pool.check(read_data=True).exit_code == EXIT_OK
    assert comes_back(machine, source)


class _Unvouched:
    """Faults, and a provider that tells no hash of what it took."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def opener(self, opener):  # type: ignore[no-untyped-def]
        def made() -> Backend:
            backend = self.faults.opener(opener)()
            put = backend.put
            backend.put = lambda *args, **more: replace(put(*args, **more), verified=False)  # type: ignore[method-assign]
            return backend

        return made


def test_what_the_old_disk_serves_wrongly_is_made_from_the_others(small: Make) -> None:
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
    with opened(machine, {"d1": on_shards(Fault.WRONG, 2)}) as pool:
        result = pool.replace("d1", "d6")
        assert result.carried.rebuilt == 2 and result.carried.copied and result.removed
        assert weakest(pool) == 2
    assert comes_back(machine, source)


def test_an_old_disk_that_falls_silent_is_no_reason_to_stop(small: Make) -> None:
    machine = small("rs:3+2", 6)
    source = filled(machine)
    with machine.open() as pool:
        pool.drain("d1", limit=1)
    faults = Faults(1)
    faults.rates = {}
    faults.script = [Step(Fault.BEFORE, name="shards/") for _ in range(200)]
    with opened(machine, {"d1": faults}) as pool:
        result = pool.drain("d1", remove=True)
        assert result.carried.rebuilt and result.removed and weakest(pool) == 2
    assert comes_back(machine, source)
