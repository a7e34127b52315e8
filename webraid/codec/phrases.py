"""What people write down and type: recovery codes, passphrases, and a guess at a passphrase's strength."""

from __future__ import annotations

import hashlib
import re

from webraid.codec.strength import passphrase_bits
from webraid.codec.words import WORDS
from webraid.env import Env
from webraid.errors import WrongPassphrase

__all__ = ["is_recovery_code", "new_passphrase", "new_recovery_code", "normal_code", "passphrase_bits"]

PASSPHRASE_WORDS = 7

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_LOOKALIKES = str.maketrans("ILO", "110")
_CHECK = 4  # characters of checksum: a mistyped code passes once in a million
_LENGTH = 32  # characters in all: 28 times 5 bits = 140 bits, and the checksum
_GAPS = re.compile(r"[\s\-\u2010-\u2015]+")
_HINT = "It is 8 groups of 4 letters and digits on your recovery kit; case and dashes do not matter."


def new_recovery_code(env: Env) -> str:
    """140 bits as 7 groups of 4 characters, and a checksum group."""
    payload = "".join(_ALPHABET[byte & 31] for byte in env.random(_LENGTH - _CHECK))
    return _grouped(payload + _checksum(payload))


def normal_code(text: str) -> str:
    """The code as it is printed, from what was typed.

    Raises WrongPassphrase, with a hint, if it is no code or was mistyped.
    """
    code = _bare(text)
    if len(code) != _LENGTH:
        raise WrongPassphrase(f"a recovery code has {_LENGTH} characters, this has {len(code)}", hint=_HINT)
    if not set(code) <= set(_ALPHABET):
        raise WrongPassphrase("a recovery code has only digits and letters, and no U", hint=_HINT)
    if _checksum(code[:-_CHECK]) != code[-_CHECK:]:
        raise WrongPassphrase(
            "the recovery code is mistyped: its last group does not fit the others",
            hint="Compare it with your recovery kit, character by character.",
        )
    return _grouped(code)


def is_recovery_code(text: str) -> bool:
    """Whether this was meant as a recovery code, rightly typed or not; a passphrase is not."""
    code = _bare(text)
    if len(code) != _LENGTH or not set(code) <= set(_ALPHABET):
        return False
    if _checksum(code[:-_CHECK]) == code[-_CHECK:]:
        return True
    # Eight short words have the same shape, but no digit; a code without one is made once in 170,000 times.
    groups = [len(group) for group in _GAPS.split(text.strip())]
    return groups == [4] * 8 and any(character.isdigit() for character in text)


def new_passphrase(env: Env) -> str:
    """Seven words drawn evenly from a list of 2048: 77 bits."""
    draws = env.random(2 * PASSPHRASE_WORDS)
    numbers = (int.from_bytes(draws[at : at + 2], "big") % 2048 for at in range(0, len(draws), 2))
    return " ".join(WORDS[number] for number in numbers)


def _bare(text: str) -> str:
    return _GAPS.sub("", text).upper().translate(_LOOKALIKES)


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _checksum(payload: str) -> str:
    bits = int.from_bytes(hashlib.sha256(b"WRCODE\x00\x01" + payload.encode("ascii")).digest()[:4], "big")
    return "".join(_ALPHABET[bits >> shift & 31] for shift in (27, 22, 17, 12))
