"""Envelopes and signatures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.codec.seal import ENVELOPE_OVERHEAD, open_envelope, seal_envelope
from webraid.codec.sign import public_key, sign, verify
from webraid.env import seeded
from webraid.errors import SealBroken, SignatureInvalid

KEY, POOL = b"\x07" * 32, b"\x01" * 16


@given(st.binary(max_size=500), st.integers())
def test_an_envelope_gives_back_what_was_put_in(plain: bytes, seed: int) -> None:
    blob = seal_envelope(KEY, POOL, b"log", plain, seeded(seed))
    assert len(blob) == len(plain) + ENVELOPE_OVERHEAD
    assert open_envelope(KEY, POOL, b"log", blob) == plain


def test_the_same_plaintext_is_never_sealed_the_same_way() -> None:
    env = seeded(1)
    first, second = (seal_envelope(KEY, POOL, b"log", b"same", env) for _ in range(2))
    assert first[16:48] != second[16:48]  # salts, so keys
    assert first[48:] != second[48:]


def test_an_envelope_is_refused_for_another_key_pool_or_type() -> None:
    blob = seal_envelope(KEY, POOL, b"log", b"body", seeded(1))
    for key, pool, kind in (
        (bytes(32), POOL, b"log"),
        (KEY, bytes(16), b"log"),
        (KEY, POOL, b"creds"),
        (KEY, POOL, b"lo"),
    ):
        with pytest.raises(SealBroken):
            open_envelope(key, pool, kind, blob)
    relabelled = blob[:8] + b"creds\0\0\0" + blob[16:]
    with pytest.raises(SealBroken):
        open_envelope(KEY, POOL, b"creds", relabelled)


def test_an_envelope_is_refused_for_every_flipped_bit_truncation_and_extension() -> None:
    blob = seal_envelope(KEY, POOL, b"log", b"body", seeded(1))
    for bit in range(8 * len(blob)):
        wrong = bytearray(blob)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            open_envelope(KEY, POOL, b"log", wrong)
    for wrong_size in (*(blob[:size] for size in range(len(blob))), blob + b"\0"):
        with pytest.raises(SealBroken):
            open_envelope(KEY, POOL, b"log", wrong_size)


def test_an_envelope_beyond_the_limit_is_refused_unopened() -> None:
    blob = seal_envelope(KEY, POOL, b"log", bytes(100), seeded(1))
    assert open_envelope(KEY, POOL, b"log", blob, limit=100) == bytes(100)
    with pytest.raises(SealBroken, match="too many"):
        open_envelope(KEY, POOL, b"log", blob, limit=99)


@pytest.mark.parametrize("kind", [b"", b"ninebytes", b"a\0b"])
def test_a_type_that_does_not_fit_its_eight_bytes_is_refused(kind: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        seal_envelope(KEY, POOL, kind, b"", seeded(1))


def test_a_signature_holds_for_its_key_and_message_only() -> None:
    private = bytes(range(32))
    public, signature = public_key(private), sign(private, b"message")
    verify(public, b"message", signature)
    other = public_key(bytes(32))
    flipped = bytes((signature[0] ^ 1,)) + signature[1:]
    for args in ((other, b"message", signature), (public, b"massage", signature), (public, b"message", flipped),
                 (public, b"message", signature[:-1]), (public[:-1], b"message", signature)):  # fmt: skip
        with pytest.raises(SignatureInvalid):
            verify(*args)
