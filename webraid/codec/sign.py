"""Ed25519 signatures over raw bytes."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from webraid.errors import SignatureInvalid

SIGNATURE = 64


def public_key(private: bytes) -> bytes:
    """The 32-byte public key of a 32-byte private key (RFC 8032 seed)."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(private: bytes, message: bytes) -> bytes:
    """64 bytes, the same ones for the same message."""
    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Return if ``signature`` over ``message`` is by ``public``; raise SignatureInvalid if not."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureInvalid("a signature does not fit its key and message") from None
