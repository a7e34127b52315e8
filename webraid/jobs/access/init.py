"""init: make a pool.  Nothing goes to any disk yet: the first add-backend takes everything along."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from webraid import config
from webraid.codec.keys import (
    KdfParams,
    Owner,
    new_device,
    new_owner,
    new_recovery_code,
    new_root,
    passphrase_bits,
    seal_passphrase_slot,
    seal_recovery_slot,
)
from webraid.codec.levels import parse_level
from webraid.codec.sign import sign
from webraid.env import Env
from webraid.errors import ConfigError
from webraid.jobs.access.kit import Kit, refuse_existing, today
from webraid.jobs.base.settings import Settings, host
from webraid.table.cache import open_cache
from webraid.table.device import Identity, OwnLog, forget_identity, has_identity, save_identity
from webraid.table.fold import ALL_RIGHTS
from webraid.table.records import AddSlot, AnyOp, Enroll, Genesis, certificate, slot_message
from webraid.table.table import Table

WEAK_BITS = 60


@dataclass(frozen=True, slots=True)
class Made:
    """A new pool."""

    name: str
    pool_id: str
    level: str
    kit: Kit = field(repr=False)


def enroll(identity: Identity, owner: Owner, rights: tuple[str, ...] = ALL_RIGHTS) -> Enroll:
    """The certificate that makes a device part of the pool."""
    signed = certificate(identity.pool, identity.key.public, identity.name, rights)
    return Enroll(public=identity.key.public, name=identity.name, rights=rights, signature=sign(owner.private, signed))


def add_slot(env: Env, slot: bytes, sealed: bytes, owner: Owner, label: str = "", now: float | None = None) -> AddSlot:
    """The owner's word that a key slot is part of the pool.  ``now``: seconds since 1970, 0: not known."""
    time_ms = int((env.now() if now is None else now) * 1000)
    signature = sign(owner.private, slot_message(slot, sealed, label, time_ms))
    return AddSlot(slot=slot, sealed=sealed, label=label, time_ms=time_ms, signature=signature)


def start_log(settings: Settings, identity: Identity, ops: list[AnyOp]) -> None:
    """The first record of this device, kept here until disks are asked.  The key is written last."""
    local = open_cache(settings.places)
    try:
        table = Table(identity, local, OwnLog(settings.places.device), {}, settings.env, patience=1.0)
        if table.book.head(identity.key.id) is None:
            table.append(*ops)
    finally:
        local.close()
    save_identity(settings.places.device, identity, settings.env)


def init(
    settings: Settings, *, name: str, level: str, passphrase: str, weak: bool = False, kit: Path | None = None,
    kdf: KdfParams | None = None,
) -> Made:  # fmt: skip
    """Make a pool.  Raises ConfigError when there is one already or the passphrase is too weak."""
    places, env = settings.places, settings.env
    if places.config.exists() and not _interrupted(settings):
        raise ConfigError(
            f"there is a pool already: {places.config}", hint="Set WEBRAID_CONFIG to make another one beside it."
        )
    if has_identity(places.device):
        raise ConfigError(
            f"{places.state} belongs to a pool already", hint="Set WEBRAID_STATE_DIR to make another pool beside it."
        )
    config.valid_name(name, "a pool")
    spec = parse_level(level)
    check_passphrase(passphrase, weak)
    if kit is not None:
        refuse_existing(kit)
    root, owner, pool = new_root(env), new_owner(env), env.random(16)
    code = new_recovery_code(env)
    sealed = seal_passphrase_slot(pool, passphrase, root, owner, env, kdf or KdfParams())
    slots = [
        add_slot(env, env.random(8), sealed, owner, "init"),
        add_slot(env, env.random(8), seal_recovery_slot(pool, code, root, owner, env), owner, "kit of init"),
    ]
    made = Made(name, pool.hex(), str(spec), Kit(name, pool.hex(), code, today(env.now())))
    if kit is not None:
        made.kit.write(kit)
    identity = Identity(pool, owner.public, host(), root, new_device(env))
    genesis = Genesis(name=name, level=str(spec), owner=owner.public)
    _forget_leftovers(settings)
    config.create(places.config, config.PoolSection(name=name, id=pool.hex(), level=str(spec)))
    start_log(settings, identity, [genesis, enroll(identity, owner), *slots])
    return made


def _interrupted(settings: Settings) -> bool:
    """An earlier init wrote a config and stopped before this machine had its key: nothing was ever stored with it."""
    no_key = not has_identity(settings.places.device)
    return no_key and not config.load(settings.places.config, settings.environ).disks


def _forget_leftovers(settings: Settings) -> None:
    """An init that was interrupted left no config: what it kept here is of no use to anybody."""
    for path in list(settings.places.databases()):
        path.unlink()
    forget_identity(settings.places.device)


def check_passphrase(passphrase: str, weak: bool) -> None:
    """Raises ConfigError for an empty one, and for one that is quickly guessed unless ``weak`` allows it."""
    if not passphrase:
        raise ConfigError("the passphrase is empty", hint="Leave --passphrase away to be offered a strong one.")
    bits = passphrase_bits(passphrase)
    if bits < WEAK_BITS and not weak:
        raise ConfigError(
            f"this passphrase is quickly guessed (about {bits:.0f} bits, {WEAK_BITS} are asked for)",
            hint="Use several random words, or say --weak-passphrase if the pool guards nothing of worth.",
        )
