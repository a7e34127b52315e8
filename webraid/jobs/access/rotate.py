"""key rotate, revoke: a new root for everything that is stored from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from webraid.codec.boxes import seal_box
from webraid.codec.keys import KdfParams, Opened, Root, is_recovery_code, new_recovery_code, next_root
from webraid.codec.sign import sign
from webraid.errors import PoolBusy, PoolError, SealBroken
from webraid.jobs.access.evict import Removed, end, removable
from webraid.jobs.access.init import check_passphrase
from webraid.jobs.access.keys import adopted, drop_slots, kit_of, owned, passphrase_slot, put_slots, recovery_slot
from webraid.jobs.access.kit import Kit
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice
from webraid.jobs.base.slots import settle_slots, slots
from webraid.table.records import AddSlot, Rotate, rotate_message


@dataclass(frozen=True, slots=True)
class Rotated:
    """A new epoch.  ``devices``: names of the machines that were given its root; ``dropped``: passphrases and codes
    that count no more."""

    epoch: int
    devices: tuple[str, ...]
    dropped: int
    kit: Kit = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """What a machine that is gone may still hold: the login of a disk.  ``where``: how to revoke it."""

    disk: str
    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """A machine is gone, and what comes is sealed under keys that it never had."""

    removed: Removed
    rotated: Rotated
    tokens: tuple[Token, ...]


def rotate(
    ctx: Context, secret: str, new: str = "", *, weak: bool = False, kdf: KdfParams | None = None
) -> Rotated:  # fmt: skip
    """Begin an epoch.  ``new``: the passphrase from now on; '': the one that ``secret`` is.

    All older passphrases and codes count no more; the returned kit has the only recovery code.  Raises ConfigError,
    WrongPassphrase, PoolError when ``secret`` is a code and no passphrase is given, QuorumLost.
    """
    _check(new, weak)
    with owned(ctx, secret) as opened:
        return begin(ctx, opened, _passphrase(ctx, secret, new), kdf)


def revoke(
    ctx: Context, secret: str, device: str, new: str = "", *, weak: bool = False, kdf: KdfParams | None = None
) -> Revoked:  # fmt: skip
    """Evict a machine, then ``rotate``.  Raises as both do."""
    _check(new, weak)
    with owned(ctx, secret) as opened:
        passphrase = _passphrase(ctx, secret, new)
        removed = end(ctx, opened.owner, removable(ctx, device))
        rotated = begin(ctx, opened, passphrase, kdf)
        return Revoked(removed, rotated, tokens(ctx))


def _check(new: str, weak: bool) -> None:
    if new:
        check_passphrase(new, weak)


def _passphrase(ctx: Context, secret: str, new: str) -> str:
    """What the new passphrase slot will be opened by."""
    if not new and is_recovery_code(secret):
        raise PoolError(
            "a passphrase is needed for the new keys, and you gave the recovery code",
            hint="Give the passphrase, or a new one with --new-password-file.",
        )
    return new or secret


def begin(ctx: Context, opened: Opened, passphrase: str, kdf: KdfParams | None) -> Rotated:
    """The steps.  At any moment what opened the pool before still does, or what opens it from now on does already:
    slots with the new root are on W disks before anything is sealed under it, and the old ones go last."""
    ctx.table.take_root(opened.root)
    root, owner = next_root(ctx.identity.root, ctx.env), opened.owner
    code = new_recovery_code(ctx.env)
    old = list(slots(ctx))
    added = [
        passphrase_slot(ctx, passphrase, root, owner, label="rotate", kdf=kdf),
        recovery_slot(ctx, code, root, owner),
    ]
    put_slots(ctx, added)
    names = _announce(ctx, opened, root, [*adopted(ctx, owner), *added])
    drop_slots(ctx, owner, [slot for slot in old if slot in slots(ctx)])
    settle_slots(ctx)
    return Rotated(root.epoch, names, len(old), kit_of(ctx, code))


def _announce(ctx: Context, opened: Opened, root: Root, added: list[AddSlot]) -> tuple[str, ...]:
    """ROTATE, with the root sealed for every machine that stays.  Returns their names."""
    boxes, names = dict[bytes, bytes](), list[str]()
    for device in ctx.table.state.devices.values():
        if device.evicted:
            continue
        try:
            boxes[device.id] = seal_box(ctx.pool, device.public, root, ctx.env)
            names.append(device.name)
        except SealBroken as error:
            ctx.event(Notice(f"machine {device.name} cannot be given the new keys: {error}", warning=True))
    signature = sign(opened.owner.private, rotate_message(root.epoch, root.check, boxes))
    op = Rotate(epoch=root.epoch, check=root.check, boxes=boxes, signature=signature)
    ctx.table.fence(ctx.table.append(*added, op))
    others = [other for other in ctx.table.state.rotations if other.epoch == root.epoch and other.check != root.check]
    if others:
        raise PoolBusy(
            "another machine changed the keys at the same moment", hint="Run the command again: it puts both in order."
        )
    return tuple(sorted(names))


# ---------------------------------------------------------------------------------------------------------- checklist
_PLACES: Mapping[str, str] = {
    "s3": "Make a new access key at the provider, run 'webraid backend login {name}' with it, then delete the old key.",
    "gdrive": "Open myaccount.google.com/connections, remove the app's access, "
    "then run 'webraid backend login {name}'.",
    "dropbox": "Open dropbox.com/account/connected_apps, disconnect the app, then run 'webraid backend login {name}'.",
    "webdav": "Delete the app password in the account's security settings, make another, "
    "then run 'webraid backend login {name}'.",
    "sftp": "Delete the machine's line in ~/.ssh/authorized_keys on the server, or change the password there, "
    "then run 'webraid backend login {name}'.",
    "rclone": "Revoke the remote's token at its provider, run 'rclone config reconnect' for it, "
    "then 'webraid backend login {name}'.",
    "local": "Nothing to revoke: see that nobody else can reach this folder or drive.",
}
_ANY = "Revoke the login at the provider, then run 'webraid backend login {name}'."


def tokens(ctx: Context) -> tuple[Token, ...]:
    """Which logins are to be made anew, and where."""
    members = sorted(ctx.table.state.members(), key=lambda info: info.name)
    return tuple(
        Token(info.name, info.kind, _PLACES.get(info.kind, _ANY).format(name=info.name)) for info in members
    )  # fmt: skip
