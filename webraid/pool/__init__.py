"""The public Python API: one class over the jobs.  Everything the command line can do with a pool goes through it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webraid import config
from webraid.env import Env
from webraid.jobs.base import events
from webraid.jobs.base.context import open_context
from webraid.jobs.base.settings import Settings
from webraid.pool.base import NONE
from webraid.pool.browse import Browse
from webraid.pool.care import Care
from webraid.pool.disks import Disks
from webraid.pool.keys import Keys
from webraid.pool.moving import Moving
from webraid.pool.reading import Reading
from webraid.pool.space import Space
from webraid.pool.standing import Standing
from webraid.pool.storing import Storing

__all__ = [
    "Pool", "init_pool", "open_pool", "recover_from", "recover_keys", "recover_login", "recover_pool", "settings",
]  # fmt: skip

if TYPE_CHECKING:  # jobs are imported when they run: starting up stays quick
    from webraid.backend.login import Dialogue
    from webraid.codec.keys import KdfParams
    from webraid.jobs.access.init import Made
    from webraid.jobs.access.recover import Recovered
    from webraid.jobs.disks.login import Reached


class Pool(Storing, Reading, Standing, Care, Space, Moving, Disks, Keys, Browse):
    """An opened pool; a context manager."""


def settings(
    *, config_file: str | None = None, environ: Mapping[str, str] | None = None, env: Env | None = None,
    on_event: events.OnEvent = events.ignore, only: Collection[str] = (),
) -> Settings:  # fmt: skip
    """Where the pool's files are: the argument, WEBRAID_CONFIG and WEBRAID_STATE_DIR, or the default.  ``environ`` has
    whatever the config's options have variables for, too.  ``only``: names of the disks that are used; none: all."""
    given = os.environ if environ is None else environ
    found = config.places(given, config=config_file)
    return Settings(found, given, env or Env(), on_event=on_event, only=frozenset(only))


def init_pool(
    where: Settings, *, name: str, level: str, passphrase: str, weak: bool = False, kit: Path | None = None,
    kdf: KdfParams | None = None,
) -> Made:  # fmt: skip
    """Make a pool on this machine.  Raises ConfigError."""
    from webraid.jobs.access.init import init

    return init(where, name=name, level=level, passphrase=passphrase, weak=weak, kit=kit, kdf=kdf)


def open_pool(where: Settings | None = None, *, on_event: events.OnEvent | None = None) -> Pool:
    """Open this machine's pool.  No disk is asked before something needs it.  Raises NotAPool, ConfigError."""
    where = where or settings()
    if on_event is not None:
        where.on_event = on_event
    return Pool(open_context(where))


def recover_login(
    where: Settings, *, kind: str, options: Mapping[str, object], secrets: Mapping[str, str] = NONE,
    dialogue: Dialogue | None = None,
) -> Reached:  # fmt: skip
    """The first half of recover_pool: log in to the one disk.  ``dialogue`` is who can be asked."""
    from webraid.jobs.access.recover import refuse_second
    from webraid.jobs.disks.login import Nobody, reach

    refuse_second(where)
    asked = dialogue or Nobody(where.env)
    return reach(where, kind=kind, name="recovery", options=options, secrets=secrets, dialogue=asked)


def recover_from(
    where: Settings, reached: Reached, *, secret: str, rights: Sequence[str] = (), machine: str = ""
) -> tuple[Recovered, Pool]:  # fmt: skip
    """The second half of recover_pool."""
    from webraid.jobs.access.recover import recover

    recovered, ctx = recover(where, reached, secret=secret, rights=_rights(rights), machine=machine)
    return recovered, Pool(ctx)


def recover_pool(
    where: Settings, *, kind: str, options: Mapping[str, object], secret: str, rights: Sequence[str] = (),
    machine: str = "",
) -> tuple[Recovered, Pool]:  # fmt: skip
    """Bring a pool back from any one of its disks with the passphrase or the recovery code.

    ``rights``: what this machine may do from now on, of 'append', 'forget', 'sweep' (none named: all); ``machine``: its
    name in the pool.
    """
    reached = recover_login(where, kind=kind, options=options)
    return recover_from(where, reached, secret=secret, rights=rights, machine=machine)


def recover_keys(
    where: Settings, file: Path, *, secret: str, rights: Sequence[str] = (), machine: str = ""
) -> tuple[Recovered, Pool]:  # fmt: skip
    """As recover_pool, with a file of Pool.export_keys in the place of the disk."""
    from webraid.jobs.access.recover import recover_from_keys

    recovered, ctx = recover_from_keys(where, file, secret=secret, rights=_rights(rights), machine=machine)
    return recovered, Pool(ctx)


def _rights(said: Sequence[str]) -> tuple[str, ...]:
    from webraid.jobs.access.devices import parse_rights
    from webraid.table.fold import ALL_RIGHTS

    return parse_rights(",".join(said)) if said else ALL_RIGHTS
