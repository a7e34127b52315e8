"""Public keys of servers: read from a line, from known_hosts, and shown as fingerprints.  No network here."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from webraid.errors import ConfigError

# Best first; what a server may show, and (for RSA) the signatures it is asked for instead: SHA-1 is broken.
SIGNATURES: dict[str, tuple[str, ...]] = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
_TYPES = list(SIGNATURES)
_HINT = "Give the line that 'ssh-keyscan HOST' prints, like 'ssh-ed25519 AAAA...'."
_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True, slots=True)
class HostKey:
    """``type``: a key of SIGNATURES; ``blob``: the public key as SSH sends it."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ssh and ssh-keygen -l show it."""
        return "SHA256:" + b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.type} {b64encode(self.blob).decode()}"


def signatures(keys: Iterable[HostKey]) -> tuple[str, ...]:
    """The algorithms by which a server can prove that it has one of ``keys``."""
    types = {key.type for key in keys}
    return tuple(name for type_ in _TYPES if type_ in types for name in SIGNATURES[type_])


def pinned(text: str) -> HostKey:
    """The best key in ``text``: 'TYPE BASE64', with or without a host before and a comment behind, as a line of
    known_hosts or as all that ssh-keyscan prints.  Whose host is written there does not matter: the user chose it.

    Raises ConfigError.
    """
    lines = [line.strip() for line in text.splitlines()]
    found: list[HostKey] = []
    for line in lines:
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if words[0].startswith("@"):
            raise ConfigError("a host key is pinned by itself, not by an authority or a revocation", hint=_HINT)
        at = next((number for number, word in enumerate(words[:2]) if word in SIGNATURES), None)
        if at is None or len(words) < at + 2:
            raise ConfigError("known_host_key is no line of known_hosts, or its type of key is too old", hint=_HINT)
        found.append(_key(words[at], words[at + 1]))
    if not found:
        raise ConfigError("known_host_key holds no key", hint=_HINT)
    return min(found, key=lambda key: _TYPES.index(key.type))


def known(host: str, port: int, files: Sequence[str] = _FILES) -> tuple[HostKey, ...]:
    """The keys that the user's known_hosts has for a server, best first; those that are revoked left out."""
    name = host if port == 22 else f"[{host}]:{port}"
    good: set[HostKey] = set()
    revoked: set[HostKey] = set()
    for file in files:
        try:
            text = Path(file).expanduser().read_text(errors="replace")
        except (OSError, RuntimeError):  # RuntimeError: nobody knows where home is
            continue
        for line in text.splitlines():
            marker, names, key = _entry(line)
            if key is None or not _matches(names, name):
                continue
            if marker == "@revoked":
                revoked.add(key)
            elif not marker:
                good.add(key)
    return tuple(sorted(good - revoked, key=lambda key: (_TYPES.index(key.type), key.blob)))


def _entry(line: str) -> tuple[str, str, HostKey | None]:
    """(marker, hosts, key) of a line of known_hosts; no key where it is a comment, damaged, or of an unknown type."""
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#") or words[1] not in SIGNATURES:
        return marker, "", None
    try:
        return marker, words[0], _key(words[1], words[2])
    except ConfigError:
        return marker, "", None


def _key(type_: str, text: str) -> HostKey:
    try:
        blob = b64decode(text, validate=True)
    except binascii.Error:
        raise ConfigError("known_host_key is damaged: its key is no base64", hint=_HINT) from None
    if not blob.startswith(len(type_).to_bytes(4, "big") + type_.encode()) or len(blob) < len(type_) + 36:
        raise ConfigError("known_host_key is damaged: its key is cut off, or not of the type it says", hint=_HINT)
    return HostKey(type_, blob)


def _matches(names: str, name: str) -> bool:
    """Whether the hosts of a line mean ``name``: patterns with commas, '!' to except some; or one that is hashed."""
    if names.startswith("|1|"):
        return _hashed(names, name)
    found = False
    for pattern in names.lower().split(","):
        if fnmatchcase(name, re.sub(r"\[", "[[]", pattern.removeprefix("!"))):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hashed(text: str, name: str) -> bool:
    parts = text.split("|")
    if len(parts) != 4:
        return False
    try:
        salt, told = b64decode(parts[2], validate=True), b64decode(parts[3], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), told)
