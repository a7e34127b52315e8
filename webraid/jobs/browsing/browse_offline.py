"""What this machine knows of its pool without asking any disk: enough to complete words on a command line."""

from __future__ import annotations

from webraid.config import Places
from webraid.env import Env
from webraid.table.cache import open_cache
from webraid.table.device import OwnLog, load_identity
from webraid.table.fold import State
from webraid.table.table import Table


def known_state(places: Places, env: Env) -> State | None:
    """The state that the log gave when it was last read; None where there is no pool or no cache.

    Raises what is wrong with the pool's files here.
    """
    if places.database is None or not places.database.exists() or not places.device.exists():
        return None
    identity = load_identity(places.device)
    local = open_cache(places)
    try:
        return Table(identity, local, OwnLog(places.device), {}, env, patience=0.0).state
    finally:
        local.close()
