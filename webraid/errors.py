"""The one error tree, with exit codes and a hint for the user.  Nothing else may define an error class of WebRAID's.

    WebRAIDError
    |- ConfigError            PluginMissing, NotAPool
    |- BackendError
    |   |- ObjectNotFound  AlreadyExists  VersionMismatch
    |   |- RateLimited  Unavailable                                  retryable
    |   |- AuthExpired  PermissionDenied  QuotaExceeded  ObjectTooLarge  Misconfigured  ContentBlocked  Unsupported
    |   `- ProtocolError      anything that leaked, with its cause
    |- IntegrityError         ShardCorrupt  SealBroken  SignatureInvalid  RolledBack  Forked
    |- RedundancyError        NotEnoughShards  NotEnoughDisks  QuorumLost  NoRoomForTable  TooWeak
    `- PoolError              NotInTable  WrongPassphrase  RightMissing  RecoveryPending  PoolBusy  SourcesUnreadable
                              Evicted  KeysChanged                      (both RightMissing)

Every leaf has a ``hint`` (what to do next, one line) and an ``exit_code`` (see docs/reference/exit-codes.md).  No
message, hint or repr may contain a secret, a key, plaintext or a file's content.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3
EXIT_TEMPORARY = 5
EXIT_NO_POOL = 10
EXIT_BUSY = 11
EXIT_PASSPHRASE = 12
EXIT_DEGRADED = 20
EXIT_UNREADABLE = 21
EXIT_QUOTA = 22
EXIT_LOGIN = 23
EXIT_ALARM = 24
EXIT_INTERRUPTED = 130

EXIT_CODES: dict[int, str] = {
    EXIT_OK: "ok",
    EXIT_ERROR: "error",
    EXIT_USAGE: "usage: the command line or the config file is wrong",
    EXIT_PARTIAL: "partial: some sources could not be read",
    EXIT_TEMPORARY: "temporary failure: try again later",
    EXIT_NO_POOL: "no pool here",
    EXIT_BUSY: "busy: another run holds the pool on this machine",
    EXIT_PASSPHRASE: "wrong passphrase",
    EXIT_DEGRADED: "done, but with less redundancy than asked for; the rest is queued",
    EXIT_UNREADABLE: "fewer than k shards are left: some data is unreadable",
    EXIT_QUOTA: "quota full",
    EXIT_LOGIN: "a login has expired",
    EXIT_ALARM: "signature, integrity or rollback alarm",
    EXIT_INTERRUPTED: "interrupted",
}

# From the most to the least severe; codes of one group weigh the same (the first seen wins).
SEVERITY: tuple[tuple[int, ...], ...] = (
    (EXIT_INTERRUPTED,),
    (EXIT_ALARM,),
    (EXIT_UNREADABLE,),
    (EXIT_PASSPHRASE, EXIT_NO_POOL, EXIT_BUSY),
    (EXIT_QUOTA, EXIT_LOGIN),
    (EXIT_USAGE, EXIT_TEMPORARY, EXIT_ERROR),
    (EXIT_DEGRADED,),
    (EXIT_PARTIAL,),
    (EXIT_OK,),
)


def worst(*codes: int) -> int:
    """The exit code that counts when several apply; 0 when there is none."""
    for group in SEVERITY:
        for code in codes:
            if code in group:
                return code
    return next((code for code in codes if code), EXIT_OK)


class WebRAIDError(Exception):
    """Root of the tree.  ``str(error)`` says what happened, ``error.hint`` what to do next."""

    exit_code: ClassVar[int] = EXIT_ERROR
    default_hint: ClassVar[str] = "Run the command again with --debug and report what it prints."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint if hint is not None else self.default_hint


# ------------------------------------------------------------------------------------------------------ configuration
class ConfigError(WebRAIDError):
    """The config file, a flag or an environment variable is wrong."""

    exit_code = EXIT_USAGE
    default_hint = "Run 'webraid config check' and compare with config.example.toml."


class PluginMissing(ConfigError):
    """A kind of disk is unknown, or the library it needs is not installed."""

    default_hint = "Install the extra that the message names."


class NotAPool(ConfigError):
    """There is no pool where one was expected."""

    exit_code = EXIT_NO_POOL
    default_hint = "Make one with 'webraid init', or bring yours back with 'webraid recover'."


# ----------------------------------------------------------------------------------------------------------- backends
class BackendError(WebRAIDError):
    """A disk could not do what it was asked.

    ``disk`` is the disk's name ('' until the caller fills it in), ``key`` the object's name, ``provider_code`` the
    provider's own short code.  ``retryable``: the same call may work later without anyone doing anything.
    ``needs_you``: only the user can mend it.
    """

    retryable: ClassVar[bool] = False
    needs_you: ClassVar[bool] = False
    default_hint = "See 'webraid status' for the state of the disks."

    def __init__(
        self, message: str, *, disk: str = "", key: str = "", provider_code: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.disk = disk
        self.key = key
        self.provider_code = provider_code

    def __str__(self) -> str:
        text = super().__str__()
        return f"disk {self.disk}: {text}" if self.disk else text


class ObjectNotFound(BackendError):
    """No object of that name is on the disk."""


class AlreadyExists(BackendError):
    """An object of that name is on the disk already, with other bytes."""


class VersionMismatch(BackendError):
    """The object changed since it was last seen."""


class RateLimited(BackendError):
    """The provider asks for patience.  ``retry_after``: seconds, or None; ``scope``: what is limited."""

    exit_code = EXIT_TEMPORARY
    retryable = True
    default_hint = "Nothing to do: webraid waits and tries again."

    def __init__(
        self, message: str, *, retry_after: float | None = None, scope: str = "account",
        disk: str = "", key: str = "", provider_code: str = "", hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, disk=disk, key=key, provider_code=provider_code, hint=hint)
        self.retry_after = retry_after
        self.scope = scope


class Unavailable(BackendError):
    """The disk did not answer, or answered that it can't just now."""

    exit_code = EXIT_TEMPORARY
    retryable = True
    default_hint = "Check the network or plug the disk in; the next run catches up."


class AuthExpired(BackendError):
    """The login is no longer valid.  ``fix`` is the command that renews it."""

    exit_code = EXIT_LOGIN
    needs_you = True
    default_hint = "Renew the login of this disk."

    def __init__(
        self, message: str, *, fix: str = "", disk: str = "", key: str = "", provider_code: str = "",
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, disk=disk, key=key, provider_code=provider_code, hint=hint or (fix or None))
        self.fix = fix


class PermissionDenied(BackendError):
    """The login is valid but may not do this, or a folder is read-only."""

    needs_you = True
    default_hint = "Give the login (or this user) the right to read and write there."


class QuotaExceeded(BackendError):
    """No room left.  ``what`` names what is used up: 'space', 'requests', 'egress', 'upload'."""

    exit_code = EXIT_QUOTA
    needs_you = True
    default_hint = "Free some space there, raise its quota, or add another disk."

    def __init__(
        self, message: str, *, what: str = "space", disk: str = "", key: str = "", provider_code: str = "",
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, disk=disk, key=key, provider_code=provider_code, hint=hint)
        self.what = what


class ObjectTooLarge(BackendError):
    """The provider takes no object of this size."""

    default_hint = "Lower the disk's max_object in the config."


class Misconfigured(BackendError):
    """Bucket, region, endpoint or folder do not fit together."""

    exit_code = EXIT_USAGE
    needs_you = True
    default_hint = "Compare the disk's options with docs/backends."


class ContentBlocked(BackendError):
    """The provider refuses this very content (abuse scan, virus scan)."""

    needs_you = True
    default_hint = "The shard is placed on another disk; ask the provider why it blocks encrypted data."


class Unsupported(BackendError):
    """The provider cannot do this at all."""

    default_hint = "Use another kind of disk for this."


class ProtocolError(BackendError):
    """Something a plug-in did not map, or an answer that breaks the backend contract; ``__cause__`` holds it."""

    default_hint = "This looks like a bug of the plug-in: report it with --debug."


# ---------------------------------------------------------------------------------------------------------- integrity
class IntegrityError(WebRAIDError):
    """Bytes are not what they were when we wrote them."""

    exit_code = EXIT_ALARM
    default_hint = "Run 'webraid check'; nothing wrong was returned."


class ShardCorrupt(IntegrityError):
    """A shard fails its hash.  Only raised where no other shards can replace it."""


class SealBroken(IntegrityError):
    """A sealed object fails its authentication."""


class SignatureInvalid(IntegrityError):
    """A record is not signed by the device it claims to come from."""


class RolledBack(IntegrityError):
    """A disk shows an older state than it once acknowledged."""

    default_hint = "Find out what happened to that disk; its answers no longer count until it is repaired or replaced."


class Forked(IntegrityError):
    """Two records carry the same number: a device was cloned, or somebody lies."""

    default_hint = "This machine was cloned or restored: run 'webraid recover' on the copy, for a key of its own."


# --------------------------------------------------------------------------------------------------------- redundancy
class RedundancyError(WebRAIDError):
    """Too few disks or shards."""


class NotEnoughShards(RedundancyError):
    """Fewer than k shards of a stripe can be read: ``have`` of ``need``."""

    exit_code = EXIT_UNREADABLE
    default_hint = "Bring a lost disk back and try again; every other file can still be read."

    def __init__(self, message: str, *, have: int = 0, need: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.have = have
        self.need = need


class NotEnoughDisks(RedundancyError):
    """The level asks for more disks, or more failure domains, than the pool has."""

    exit_code = EXIT_USAGE
    default_hint = "Add a disk with 'webraid add-backend', or choose a smaller level."


class QuorumLost(RedundancyError):
    """Too few disks answered to read the newest state for certain, or to record a change safely."""

    exit_code = EXIT_TEMPORARY
    default_hint = (
        "Nothing is lost. Bring the missing disks back and run the command again. "
        "If one is gone for good: 'webraid backend rm NAME --lost'."
    )


class NoRoomForTable(QuorumLost):
    """The same, and it is for lack of room that disks did not take a record, or what every disk holds."""

    exit_code = EXIT_QUOTA
    default_hint = (
        "Nothing is lost. A few megabytes are enough: free them beside the pool, or raise the quota; then delete old "
        "snapshots ('webraid forget', 'webraid prune --no-repack') or add a disk."
    )


class TooWeak(RedundancyError):
    """Fewer losses would be survived than the caller insists on: nothing names what was sent."""

    exit_code = EXIT_TEMPORARY
    default_hint = "Bring the missing disks back, make room or add a disk; what was sent already is not sent again."


# --------------------------------------------------------------------------------------------------------------- pool
class PoolError(WebRAIDError):
    """The pool refuses."""


class NotInTable(PoolError):
    """No such snapshot, path or disk."""

    default_hint = "See 'webraid snapshots', 'webraid ls' and 'webraid status'."


class WrongPassphrase(PoolError):
    """No key slot opens with this passphrase or recovery code."""

    exit_code = EXIT_PASSPHRASE
    default_hint = "Check capitals and the keyboard's layout, or use the recovery code of your kit."


class RightMissing(PoolError):
    """This device may not do this."""

    default_hint = "Run it on a device with that right, or unlock the owner key with the passphrase."


class Evicted(RightMissing):
    """This machine is no part of the pool any more."""

    default_hint = "To make it part of the pool again, run 'webraid recover' on it with the passphrase."


class KeysChanged(RightMissing):
    """The pool's keys were changed, and this machine was not given the new ones."""

    default_hint = "Run 'webraid recover' on this machine with the passphrase, for a key of its own."


class RecoveryPending(PoolError):
    """A recovery has begun and has not been finished."""

    default_hint = "Run 'webraid recover' again: it finishes it.  Reading works meanwhile."


class PoolBusy(PoolError):
    """Another run on this machine holds the pool."""

    exit_code = EXIT_BUSY
    default_hint = "Wait for the other run to end."


class SourcesUnreadable(PoolError):
    """Nothing that was asked for could be read."""

    exit_code = EXIT_PARTIAL
    default_hint = "Check the paths and their permissions."
