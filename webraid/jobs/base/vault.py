"""The disks' secrets: in secrets.toml (mode 0600) or in the desktop's keyring; each change is one step under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from webraid.backend.login import Keep
from webraid.config import Config, Places, load, load_secrets, put_secrets, put_store
from webraid.errors import ConfigError, NotAPool, PluginMissing
from webraid.jobs.base.events import Notice, OnEvent, ignore
from webraid.jobs.base.settings import Settings

FILE, KEYRING = STORES = ("file", "keyring")
SERVICE = "webraid"
_HINT = (
    "Unlock it and try again ('webraid config secrets file' then keeps secrets in a file). If it is gone for good, set "
    "store = \"file\" in the config's [secrets] and run 'webraid backend login NAME' for every disk."
)


@dataclass(frozen=True, slots=True)
class Vault:
    """Where one pool's secrets are on this machine.

    With the keyring, what lies in the file counts first, and goes into the keyring with the disk's next change: so
    nothing is lost when a secret is renewed while the keyring is locked, or when the config file is changed by hand.
    """

    places: Places
    store: str = FILE
    pool: str = ""
    on_event: OnEvent = ignore

    def get(self, disk: str) -> dict[str, str]:
        """The secrets of a disk; none: {}.  Raises ConfigError."""
        return self.all([disk]).get(disk, {})

    def all(self, disks: Iterable[str]) -> dict[str, dict[str, str]]:
        """Disk -> secrets, of those that have any.  Raises ConfigError."""
        filed = load_secrets(self.places.secrets)
        if self.store == FILE:
            return filed
        ring = _ring()
        found = {disk: {**_read(ring, self._entry(disk)), **filed.get(disk, {})} for disk in disks}
        return {disk: secrets for disk, secrets in found.items() if secrets}

    def put(self, disk: str, secrets: Mapping[str, str]) -> None:
        """Set the secrets of a disk, or with an empty mapping remove them.  Raises ConfigError, and nothing changed."""
        with self._locked():
            if self.store == KEYRING:
                self._into_entry(disk, secrets)
                secrets = {}
            put_secrets(self.places.secrets, disk, secrets)

    def _into_entry(self, disk: str, secrets: Mapping[str, str]) -> None:
        """Into the keyring.  What the file holds counts first: a run that is killed here must not bring it back."""
        filed = load_secrets(self.places.secrets).get(disk)
        if filed:
            put_secrets(self.places.secrets, disk, secrets)
        try:
            _write(_ring(), self._entry(disk), secrets)
        except ConfigError:
            if filed:
                put_secrets(self.places.secrets, disk, filed)
            raise

    def update(self, disk: str, changed: Mapping[str, str]) -> None:
        """Put ``changed`` in the place of what the store holds by now under their names, and leave the others."""
        with self._locked():
            filed = load_secrets(self.places.secrets).get(disk, {})
            new = {**filed, **changed}
            if self.store == FILE or filed:  # what the file holds counts first, also should we be killed below
                put_secrets(self.places.secrets, disk, new)
            if self.store == FILE:
                return
            try:
                ring, entry = _ring(), self._entry(disk)
                _write(ring, entry, {**_read(ring, entry), **new})
            except ConfigError as error:  # a token that is good for one use must not be lost
                put_secrets(self.places.secrets, disk, new)
                text = f"{error}: the renewed login of disk {disk} is in {self.places.secrets} for now"
                self.on_event(Notice(text, warning=True))
            else:
                put_secrets(self.places.secrets, disk, {})

    def keeper(self, disk: str, known: Mapping[str, str]) -> Keep:
        """What keeps renewed secrets of a disk that was opened with ``known``: only what is new is written, so that
        two runs that renew different ones do not undo each other."""
        last = dict(known)

        def keep(values: Mapping[str, str]) -> None:
            changed = {name: value for name, value in values.items() if last.get(name) != value}
            self.update(disk, changed)
            last.update(changed)

        return keep

    def move(self, store: str, disks: Iterable[str]) -> int:
        """Keep the secrets of ``disks`` in ``store`` from now on; returns how many disks have any.

        Raises ConfigError, and then they are where they were.  Interrupted, it leaves them in both places: run again,
        it goes on.
        """
        names = set(disks)
        with self._locked():
            found = self.all(names)
            if store == KEYRING:
                self._into_keyring(found)
                return len(found)
            left = self._left_in_keyring(names) if self.store == FILE else found
            found = {**left, **found}
            for disk, secrets in found.items():
                put_secrets(self.places.secrets, disk, secrets)
            put_store(self.places.config, store)
            for disk in left:
                _write(_ring(), self._entry(disk), {})
        return len(found)

    def _into_keyring(self, found: Mapping[str, Mapping[str, str]]) -> None:
        ring = _ring()
        _read(ring, self._entry(""))  # that there is one is said now, not in the first night
        for disk, secrets in found.items():
            _write(ring, self._entry(disk), secrets)
        put_store(self.places.config, KEYRING)
        for disk in found:
            put_secrets(self.places.secrets, disk, {})

    def _left_in_keyring(self, disks: Iterable[str]) -> dict[str, dict[str, str]]:
        """What the keyring holds although the config says 'file': somebody changed that by hand, or a move was
        interrupted."""
        with contextlib.suppress(ConfigError):  # no keyring: then nothing is left in it
            ring = _ring()
            found = {disk: _read(ring, self._entry(disk)) for disk in disks}
            return {disk: secrets for disk, secrets in found.items() if secrets}
        return {}

    def _entry(self, disk: str) -> str:
        """What the keyring calls the user."""
        return f"{self.pool}/{disk}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time: threads, and runs beside each other."""
        path = self.places.secrets.with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def vault_of(settings: Settings, config: Config | None = None) -> Vault:
    """The secrets of this machine's pool; before there is one they go into the file."""
    if config is None:
        try:
            config = load(settings.places.config, settings.environ)
        except NotAPool:
            return Vault(settings.places, on_event=settings.on_event)
    return Vault(settings.places, config.secrets.store, config.pool.id, settings.on_event)


def lazily(settings: Settings, disk: str, known: Mapping[str, str]) -> Keep:
    """As Vault.keeper; the config is read only when something is renewed."""
    made: list[Keep] = []

    def keep(values: Mapping[str, str]) -> None:
        if not made:
            made.append(vault_of(settings).keeper(disk, known))
        made[0](values)

    return keep


# ------------------------------------------------------------------------------------------------------------ keyring
def _ring() -> Any:
    try:
        import keyring
    except ImportError as error:
        command = "pipx install --force '.[all]' in the checkout"
        raise PluginMissing(f"secrets are to be kept in the keyring, which needs keyring: {command}") from error
    return keyring


def _asked(call: Callable[[], Any]) -> Any:
    """An answer of the keyring.  Raises ConfigError; what the keyring's library says is not repeated."""
    from keyring import errors

    try:
        return call()
    except errors.NoKeyringError:
        raise ConfigError("this machine has no keyring that can be used", hint=_HINT) from None
    except errors.KeyringLocked:
        raise ConfigError("the keyring is locked", hint=_HINT) from None
    except (errors.KeyringError, OSError) as error:
        raise ConfigError(f"the keyring refused ({type(error).__name__})", hint=_HINT) from None


def _read(ring: Any, entry: str) -> dict[str, str]:
    text = _asked(lambda: ring.get_password(SERVICE, entry))
    try:
        return msgspec.json.decode(text, type=dict[str, str]) if text else {}
    except msgspec.MsgspecError:
        raise ConfigError(
            f"the keyring's entry {entry!r} of {SERVICE!r} is not what webraid wrote",
            hint="Delete it in the keyring, then renew the disk's login: webraid backend login NAME",
        ) from None


def _write(ring: Any, entry: str, secrets: Mapping[str, str]) -> None:
    if secrets:
        _asked(lambda: ring.set_password(SERVICE, entry, msgspec.json.encode(dict(secrets)).decode()))
        if _read(ring, entry) != secrets:  # some keep nothing, some cut long ones off
            raise ConfigError("the keyring does not keep what it is given", hint="Use 'webraid config secrets file'.")
    elif _asked(lambda: ring.get_password(SERVICE, entry)) is not None:
        _asked(lambda: ring.delete_password(SERVICE, entry))


class Pending:
    """Takes what a disk renews while it is tried out; once the disk is ours, everything goes into the vault."""

    def __init__(self) -> None:
        self._renewed: dict[str, str] = {}
        self._keep: Keep | None = None
        self._lock = threading.Lock()

    def __call__(self, known: Mapping[str, str]) -> Keep:
        """As make_disk wants it."""
        return self._take

    def _take(self, values: Mapping[str, str]) -> None:
        with self._lock:
            self._renewed = dict(values)
            if self._keep is not None:
                self._keep(values)

    def settle(self, vault: Vault, disk: str, secrets: Mapping[str, str]) -> dict[str, str]:
        """Keep ``secrets``, with what was renewed meanwhile, and from now on every change; returns them."""
        with self._lock:
            together = {**secrets, **self._renewed}
            vault.put(disk, together)
            self._keep = vault.keeper(disk, together)
            return together
