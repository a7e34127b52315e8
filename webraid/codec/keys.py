"""Root secret, owner and device keys, and the slots that hold them sealed.  See docs/spec/keys.md."""

from __future__ import annotations

import hashlib
import struct
import unicodedata
import zlib
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from webraid.codec import Bytes
from webraid.codec.phrases import (
    is_recovery_code,
    new_passphrase,
    new_recovery_code,
    normal_code,
    passphrase_bits,
)
from webraid.codec.seal import TAG, committed, expand, open_once, seal_once
from webraid.codec.sign import public_key
from webraid.env import Env
from webraid.errors import ConfigError, SealBroken, WrongPassphrase

__all__ = [
    "DeviceKey",
    "KdfParams",
    "Opened",
    "OpenedDevice",
    "Owner",
    "Root",
    "is_recovery_code",
    "join_roots",
    "new_device",
    "new_owner",
    "new_passphrase",
    "new_recovery_code",
    "new_root",
    "next_root",
    "normal_code",
    "open_device",
    "open_slot",
    "passphrase_bits",
    "seal_device",
    "seal_passphrase_slot",
    "seal_recovery_slot",
    "slot_type",
]

PASSPHRASE_SLOT, RECOVERY_SLOT, DEVICE_SLOT = 1, 2, 3

_FORMAT = b"WRSLOT\x00\x01"
_HEAD = struct.Struct(">8sBBHI")  # format, type, lanes, passes, memory KiB
_INSIDE = struct.Struct(">I32s32s")  # epoch, root secret, private key (owner's or device's)
_OLDER = struct.Struct(">I32s")  # epoch and secret of an older root
_SLOT = _HEAD.size + 32 + 32 + _INSIDE.size + TAG + 4
MOST_OLDER = 1000  # older roots that a slot may hold


@dataclass(frozen=True)
class Root:
    """The secret everything is sealed under; a new ``epoch`` has a new one.  Derived keys are 32 bytes each.

    ``older``: the roots of earlier epochs, newest first, for what was sealed then; each of them has none itself.
    """

    secret: bytes = field(repr=False)
    epoch: int = 0
    older: tuple[Root, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != 32 or not 0 <= self.epoch < 1 << 32:
            raise ValueError("a root secret has 32 bytes, an epoch 32 bits")

    @cached_property
    def data(self) -> bytes:
        """Seals data packs."""
        return self._derive(b"data")

    @cached_property
    def meta(self) -> bytes:
        """Seals table packs and log records."""
        return self._derive(b"meta")

    @cached_property
    def id(self) -> bytes:
        """Keys chunk and page ids.  That of the oldest epoch for ever: else nothing stored before would be found."""
        return self.every()[-1]._derive(b"id")

    @cached_property
    def creds(self) -> bytes:
        """Seals the disks' connection data."""
        return self._derive(b"creds")

    @cached_property
    def check(self) -> bytes:
        """16 bytes that tell this root from others and tell nothing of it."""
        return self._derive(b"check")[:16]

    def every(self) -> tuple[Root, ...]:
        """This root and all older ones, newest first."""
        return (self, *self.older)

    def of(self, epoch: int) -> list[Root]:
        """The roots of an epoch: one; two where two machines changed the keys at the same time; none."""
        return self._by_epoch.get(epoch, [])

    @cached_property
    def _by_epoch(self) -> dict[int, list[Root]]:
        every = self.every()
        return {root.epoch: [other for other in every if other.epoch == root.epoch] for root in every}

    def _derive(self, label: bytes) -> bytes:
        return expand(self.secret, b"", b"webraid/1/root/" + label, 32)


@dataclass(frozen=True, slots=True)
class Owner:
    """The Ed25519 pair of who may forget and delete."""

    private: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """The Ed25519 pair of a machine that writes; ``id`` = first 8 bytes of SHA-256(public)."""

    id: bytes
    private: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """What a passphrase or recovery slot holds."""

    root: Root
    owner: Owner


@dataclass(frozen=True, slots=True)
class OpenedDevice:
    """What a device slot holds."""

    root: Root
    device: DeviceKey


@dataclass(frozen=True, slots=True)
class KdfParams:
    """Argon2id's cost.  About 0.5 s and 256 MiB as they stand."""

    memory_kib: int = 262_144
    passes: int = 3
    lanes: int = 4

    def check(self) -> None:
        """Raise SealBroken unless within bounds: a planted slot must not eat the machine's memory or hours."""
        if not (1 <= self.passes <= 10 and 1 <= self.lanes <= 16 and 8 * self.lanes <= self.memory_kib <= 2 << 20):
            raise SealBroken(
                f"a key slot asks for {self.memory_kib} KiB, {self.passes} passes and {self.lanes} lanes to be opened",
                hint="At most 2 GiB, 10 passes and 16 lanes are allowed: this slot is damaged or forged; use another.",
            )


def new_root(env: Env) -> Root:
    """A fresh root secret of epoch 0."""
    return Root(env.random(32))


def next_root(root: Root, env: Env) -> Root:
    """A fresh root of the next epoch, with all older ones."""
    return Root(env.random(32), root.epoch + 1, tuple(Root(each.secret, each.epoch) for each in root.every()))


def join_roots(root: Root, other: Root) -> Root:
    """Whatever either of the two holds; where both are of one epoch, ``root`` stays the one to write with."""
    known = {(each.epoch, each.secret): None for each in (*root.every(), *other.every())}
    first, *rest = sorted(known, key=lambda each: -each[0])  # stable: of one epoch, those of ``root`` come first
    return Root(first[1], first[0], tuple(Root(secret, epoch) for epoch, secret in rest))


def new_owner(env: Env) -> Owner:
    """A fresh owner key."""
    return _owner(env.random(32))


def new_device(env: Env) -> DeviceKey:
    """A fresh device key."""
    return _device(env.random(32))


def _owner(private: bytes) -> Owner:
    return Owner(private, public_key(private))


def _device(private: bytes) -> DeviceKey:
    public = public_key(private)
    return DeviceKey(hashlib.sha256(public).digest()[:8], private, public)


# -------------------------------------------------------------------------------------------------------------- slots
def seal_passphrase_slot(
    pool: bytes, passphrase: str, root: Root, owner: Owner, env: Env, params: KdfParams | None = None
) -> bytes:
    """A slot that the passphrase opens.  Takes as long and as much memory as ``params`` say.

    Raises ConfigError for an empty passphrase.
    """
    params = params or KdfParams()
    params.check()
    if not passphrase:
        raise ConfigError("the passphrase is empty", hint="Leave it away to be offered a good one.")
    salt = env.random(32)
    secret = _stretch(passphrase, salt, params)
    return _seal(pool, PASSPHRASE_SLOT, params, salt, secret, root, owner.private)


def seal_recovery_slot(pool: bytes, code: str, root: Root, owner: Owner, env: Env) -> bytes:
    """A slot that the recovery code opens.  Raises WrongPassphrase if the code is none."""
    return _seal(pool, RECOVERY_SLOT, None, env.random(32), _code_secret(code), root, owner.private)


def seal_device(pool: bytes, kek: bytes, root: Root, device: DeviceKey, env: Env) -> bytes:
    """A slot for one machine, opened by the 32 bytes ``kek`` that its keyring holds; holds no owner key."""
    if len(kek) != 32:
        raise ValueError("a device's key-encryption key has 32 bytes")
    return _seal(pool, DEVICE_SLOT, None, env.random(32), kek, root, device.private)


def open_slot(blob: Bytes, pool: bytes, secret_text: str) -> Opened:
    """Open a passphrase or recovery slot by what the user typed.

    Raises WrongPassphrase when the text does not belong to the slot; SealBroken when the slot is damaged, another
    pool's, or asks for too much memory or time.
    """
    raw, kind, params = _parse(blob, pool)
    if kind == DEVICE_SLOT:
        raise SealBroken("this key slot belongs to a device, not to a passphrase or recovery code")
    secret = _stretch(secret_text, raw[16:48], params) if kind == PASSPHRASE_SLOT else _code_secret(secret_text)
    root, private = _open(raw, pool, secret)
    return Opened(root, _owner(private))


def open_device(blob: Bytes, pool: bytes, kek: bytes) -> OpenedDevice:
    """Open a device slot.  Raises WrongPassphrase when ``kek`` is another slot's, SealBroken when it is damaged."""
    raw, kind, _ = _parse(blob, pool)
    if kind != DEVICE_SLOT:
        raise SealBroken("this key slot belongs to a passphrase or recovery code, not to a device")
    root, private = _open(raw, pool, kek)
    return OpenedDevice(root, _device(private))


def slot_type(blob: Bytes, pool: bytes) -> int:
    """PASSPHRASE_SLOT, RECOVERY_SLOT or DEVICE_SLOT: spares the slow try of a slot with the wrong thing.

    Raises SealBroken.
    """
    return _parse(blob, pool)[1]


def _stretch(passphrase: str, salt: bytes, params: KdfParams) -> bytes:
    kdf = Argon2id(
        salt=salt, length=32, iterations=params.passes, lanes=params.lanes, memory_cost=params.memory_kib
    )  # fmt: skip
    try:
        return kdf.derive(unicodedata.normalize("NFC", passphrase).encode())
    except UnicodeEncodeError:
        raise ConfigError("the passphrase is not valid UTF-8", hint="Save the password file as UTF-8.") from None


def _code_secret(code: str) -> bytes:
    return normal_code(code).replace("-", "").encode("ascii")


def _seal(
    pool: bytes, kind: int, params: KdfParams | None, salt: bytes, secret: bytes, root: Root, private: bytes
) -> bytes:
    cost = (params.lanes, params.passes, params.memory_kib) if params else (0, 0, 0)
    head = _HEAD.pack(_FORMAT, kind, *cost)
    context = head + pool
    inside = _INSIDE.pack(root.epoch, root.secret, private)
    inside += b"".join(_OLDER.pack(older.epoch, older.secret) for older in root.older)
    blob = head + salt + seal_once(expand(secret, salt, context, 64), inside, context)
    return blob + _checksum(blob, pool)


def _checksum(blob: bytes, pool: bytes) -> bytes:
    # Without it a damaged salt, or another pool's slot, would look like a wrong passphrase, after a costly derivation.
    return zlib.crc32(blob + pool).to_bytes(4, "big")


def _parse(blob: Bytes, pool: bytes) -> tuple[bytes, int, KdfParams]:
    more = len(blob) - _SLOT
    raw = bytes(blob[: _SLOT + MOST_OLDER * _OLDER.size])
    if len(raw) != len(blob) or more < 0 or more % _OLDER.size or raw[:8] != _FORMAT:
        raise SealBroken("this is not a key slot of a version that is known here")
    if _checksum(raw[:-4], pool) != raw[-4:]:
        raise SealBroken("a key slot is damaged, or another pool's", hint="Every disk holds a copy: try the next one.")
    _, kind, lanes, passes, memory = _HEAD.unpack_from(raw)
    params = KdfParams(memory, passes, lanes)
    if kind == PASSPHRASE_SLOT:
        params.check()
    elif kind not in (RECOVERY_SLOT, DEVICE_SLOT) or params != KdfParams(0, 0, 0):
        raise SealBroken("a key slot is of a type that is not known here")
    return raw, kind, params


def _open(raw: bytes, pool: bytes, secret: bytes) -> tuple[Root, bytes]:
    context = raw[:16] + pool
    keys = expand(secret, raw[16:48], context, 64)
    if not committed(keys, raw[48:]):
        raise WrongPassphrase("the passphrase, recovery code or device key does not open this key slot")
    inside = open_once(keys, raw[48:-4], context)
    epoch, secret_root, private = _INSIDE.unpack_from(inside)
    older = tuple(Root(secret, number) for number, secret in _OLDER.iter_unpack(inside[_INSIDE.size :]))
    return Root(secret_root, epoch, older), private
