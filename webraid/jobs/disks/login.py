"""The login stage of a disk: what its kind still needs to reach the account; and renewing a login later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.backend.login import Choice, Dialogue, Login, Secrets
from webraid.backend.registry import load, make_options
from webraid.config import expand, put_disk
from webraid.env import Env
from webraid.errors import BackendError, ConfigError, ObjectNotFound, RightMissing, SealBroken, Unavailable
from webraid.jobs.base.connection import make_disk, seal_connection
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.events import Notice
from webraid.jobs.base.fill import ask
from webraid.jobs.base.settings import Settings
from webraid.jobs.base.vault import Pending, vault_of
from webraid.jobs.disks.backends import connection_of, find_disk, section_of
from webraid.table.fold import SWEEP, DiskInfo
from webraid.table.records import AddDisk
from webraid.table.survey import MARKER, read_marker


@dataclass(frozen=True, slots=True)
class Nobody:
    """The dialogue where nobody can be asked: defaults count, everything else is a ConfigError."""

    env: Env = field(default_factory=Env)
    interactive: bool = False

    def tell(self, text: str) -> None:
        """Nobody listens."""

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        """The default.  Raises ConfigError."""
        if default or optional:
            return default
        raise ConfigError(f"nobody can be asked here: {uncapitalised(question.rstrip('?:.'))}?", hint=_give(instead))

    def browse(self, url: str) -> bool:
        """There is no browser."""
        return False


def uncapitalised(sentence: str) -> str:
    """As it stands inside another sentence; 'JSON file' stays as it is."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _give(instead: str) -> str:
    return instead if instead.startswith("Give ") else f"Give {instead}."


@dataclass(frozen=True, slots=True)
class Reached:
    """A place with all it takes to reach it.  ``options``: for the config file, secrets split off; ``identity``: equal
    for two that mean the same place; ``company``: the domain when the user gives none."""

    kind: str
    name: str
    options: dict[str, Any] = field(repr=False)
    secrets: dict[str, str] = field(repr=False)
    identity: str
    company: str


def reach(
    settings: Settings, *, kind: str, name: str, options: Mapping[str, object], secrets: Mapping[str, str],
    dialogue: Dialogue,
) -> Reached:  # fmt: skip
    """Log in.  Options may hold '${NAME}' and secrets; ``secrets`` are taken as they are.  What comes back is as the
    plug-in understands it: a folder's path is absolute whatever folder webraid runs in next.

    Raises ConfigError, PluginMissing, BackendError.
    """
    cls = load(kind)
    parsed, found = make_options(cls, _expanded(options, settings.environ))
    held = Secrets({**found, **secrets}, disk=name, folder=settings.places.plugin(kind))
    try:
        got = cls.login(parsed, held, dialogue)
    except BackendError as error:
        error.disk = error.disk or name
        explained(error)
        raise
    return _put_together(cls, name, options, held, got, settings.environ)


def explained(error: BackendError) -> None:
    """Give a better hint where a place is not ours yet: no next run catches up with it."""
    if isinstance(error, Unavailable) and error.hint == Unavailable.default_hint:
        error.hint = "Check the address and the network, then run it again: nothing was changed."


def _put_together(
    cls: type[Backend], name: str, options: Mapping[str, object], held: Secrets, got: Login, environ: Mapping[str, str]
) -> Reached:  # fmt: skip
    parsed, more = make_options(cls, {**_expanded(options, environ), **_underscored(got.options)})
    secrets = {**held, **{key: more[key] for key in more if key in got.options}, **got.secrets}
    said = {**_underscored(options), **_underscored(got.options)}
    plain = {
        key: value if isinstance(value, str) and "${" in value else _simple(getattr(parsed, key, value))
        for key, value in said.items()
    }
    return Reached(
        cls.kind, name, {key: value for key, value in plain.items() if key not in more},
        {key: value for key, value in secrets.items() if value}, cls.identity(parsed), cls.default_domain(parsed, name),
    )  # fmt: skip


def _expanded(options: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    given = _underscored(options)
    return {key: expand(value, environ) if isinstance(value, str) else value for key, value in given.items()}


def _underscored(options: Mapping[str, object]) -> dict[str, object]:
    return {key.replace("-", "_"): value for key, value in options.items()}


def _simple(value: object) -> Any:
    """As TOML and msgpack can hold it."""
    if isinstance(value, Path | Enum):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


# ------------------------------------------------------------------------------------------------------------ renewal
def reach_again(
    ctx: Context, name: str, *, options: Mapping[str, object], secrets: Mapping[str, str], dialogue: Dialogue
) -> Reached:  # fmt: skip
    """Log in to a disk of the pool once more; what is given goes before what was known.  Nothing is kept yet.

    Raises NotInTable, ConfigError, BackendError.
    """
    known = connection_of(ctx, find_disk(ctx, name))
    return reach(
        ctx.settings, kind=known.kind, name=name, options={**known.options, **_underscored(options)},
        secrets={**known.secrets, **secrets}, dialogue=dialogue,
    )  # fmt: skip


def keep_login(ctx: Context, reached: Reached) -> None:
    """Try the new login out on the disk, then keep it: on this machine, and sealed in the log for all others.

    Raises NotInTable, ConfigError when it leads to another place, BackendError; the old login is kept then.
    """
    with locked(ctx.settings.places):
        info = find_disk(ctx, reached.name)
        known = connection_of(ctx, info)
        connection = msgspec.structs.replace(known, options=reached.options, secrets=reached.secrets)
        pending, manners = Pending(), ctx.manners
        disk = make_disk(
            connection, id=info.id, settings=ctx.settings, limits=manners.limits(info.name), lines=manners.lines,
            budget=manners.budget(info.name), keeper=pending, transfers=ctx.config.limits.transfers,
            retries=ctx.config.limits.retries,
        )  # fmt: skip
        try:
            _hold_to_marker(ctx, disk, info)
        except BaseException:
            disk.close()
            raise
        before = ctx.disks.get(info.id)
        if before is not None:
            before.close()
        ctx.disks[info.id] = disk
        ctx.open_table()
        info = find_disk(ctx, reached.name)  # another machine may have taken it out meanwhile
        named = _named(known.options, reached.secrets, ctx.settings.environ)
        own = {key: value for key, value in reached.secrets.items() if key not in named}
        own = pending.settle(vault_of(ctx.settings), info.name, own)
        here = msgspec.structs.replace(connection, options={**reached.options, **named})
        put_disk(ctx.settings.places.config, section_of(here))
        connection = msgspec.structs.replace(connection, secrets={**reached.secrets, **own})
        if not _may_tell(ctx):
            return
        sealed = seal_connection(connection, ctx.identity.root, ctx.pool, ctx.env)
        ctx.table.append(
            AddDisk(
                disk=info.id, name=info.name, kind=info.kind, domain=info.domain, identity=reached.identity,
                capacity=info.capacity, connection=sealed,
            ),
            wait=False,  # disks that are out of reach learn it with the next run that reaches them
        )  # fmt: skip
        ctx.table.spread_head(wait=False)
        ctx.table.flush(ctx.config.limits.patience)


def _may_tell(ctx: Context) -> bool:
    """Whether the others may learn the login from this machine: what says where a disk is could as well lead them
    elsewhere, so it takes the right to change disks."""
    try:
        ctx.require_right(SWEEP)
    except RightMissing:
        text = "the new login is kept on this machine alone: it has no right to change the disks for the others"
        ctx.event(Notice(text, warning=True))
        return False
    return True


def _named(options: Mapping[str, Any], secrets: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The config's '${NAME}' for secrets that it still stands for: the user keeps them elsewhere."""
    texts = {key: value for key, value in _underscored(options).items() if isinstance(value, str) and "${" in value}
    return {key: text for key, text in texts.items() if key in secrets and expand(text, environ) == secrets[key]}


def _hold_to_marker(ctx: Context, disk: Disk, info: DiskInfo) -> None:
    """The new login must lead to the very same disk."""
    try:
        found = read_marker(ask(ctx, disk, disk.call(lambda backend: backend.get(MARKER))))
    except (ObjectNotFound, SealBroken):
        found = None
    if found is None or (found.pool, found.disk) != (ctx.pool, info.id):
        raise ConfigError(
            f"this login leads to another place than disk {info.name!r}",
            hint="Log in to the account that holds this disk; for a new one use 'webraid add-backend'.",
        )
