"""A restic repository that holds snapshots only, written by hand after restic's design document ('References').

Its key costs next to nothing to open, so restic answers in milliseconds and can be asked about hundreds of policies.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from tests.programs import program

PASSWORD = "x"
POLYNOMIAL = "34c8194553daf3"  # any irreducible one of degree 53


class Key:
    """AES-256-CTR and Poly1305-AES."""

    def __init__(self, encrypt: bytes, k: bytes, r: bytes) -> None:
        self.encrypt, self.k, self.r = encrypt, k, r

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        sealed = Cipher(algorithms.AES(self.encrypt), modes.CTR(nonce)).encryptor().update(plain)
        pad = Cipher(algorithms.AES(self.k), modes.ECB()).encryptor().update(nonce)
        return nonce + sealed + Poly1305.generate_tag(self.r + pad, sealed)


def make(folder: Path, snapshots: Sequence[dict[str, Any]], seed: int = 1) -> list[str]:
    """Write the repository; returns the snapshots' ids."""
    random = Random(seed)
    master = Key(random.randbytes(32), random.randbytes(16), random.randbytes(16))
    for name in ("data", "index", "keys", "locks", "snapshots"):
        (folder / name).mkdir(parents=True)
    config = {"version": 1, "id": random.randbytes(32).hex(), "chunker_polynomial": POLYNOMIAL}
    (folder / "config").write_bytes(master.seal(json.dumps(config).encode(), random.randbytes(16)))
    _store(folder / "keys", _key_file(master, random))
    sealed = [master.seal(json.dumps(snapshot).encode(), random.randbytes(16)) for snapshot in snapshots]
    return [_store(folder / "snapshots", data) for data in sealed]


def _key_file(master: Key, random: Random) -> bytes:
    salt, cost = random.randbytes(64), {"N": 2, "r": 1, "p": 1}
    raw = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=cost["N"], r=cost["r"], p=cost["p"], dklen=64)
    inside = {"mac": {"k": _text(master.k), "r": _text(master.r)}, "encrypt": _text(master.encrypt)}
    sealed = Key(raw[:32], raw[32:48], raw[48:]).seal(json.dumps(inside).encode(), random.randbytes(16))
    who = {"created": "2020-01-01T00:00:00Z", "username": "ann", "hostname": "home"}
    return json.dumps({**who, "kdf": "scrypt", **cost, "salt": _text(salt), "data": _text(sealed)}).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _store(folder: Path, data: bytes) -> str:
    name = hashlib.sha256(data).hexdigest()
    (folder / name).write_bytes(data)
    return name


@cache
def keeps_oldest() -> bool:
    """Whether this restic keeps the oldest snapshot for a rule that has counts left: since 0.16."""
    told = subprocess.run([program("restic"), "version"], check=True, capture_output=True, text=True).stdout
    return [int(part) for part in told.split()[1].split(".")[:2]] >= [0, 16]


def forget(folder: Path, *flags: str, zone: str = "UTC") -> list[dict[str, Any]]:
    """What 'restic forget --dry-run --json' says: a list of groups."""
    environ = {"RESTIC_PASSWORD": PASSWORD, "TZ": zone, "PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [program("restic"), "-r", str(folder), "--no-cache", "--no-lock", "--json", "forget", "--dry-run", *flags]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout)
    assert isinstance(answer, list)
    return answer
