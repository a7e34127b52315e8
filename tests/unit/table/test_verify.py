"""Only what the owner certified and the device signed is believed, under its own name only."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.table.rig import ALICE, BOB, ENV, OWNER, POOL, ROOT, Writer, enroll, genesis, writer
from webraid.codec.keys import new_owner, new_root
from webraid.codec.records import record_name
from webraid.codec.sign import sign
from webraid.errors import IntegrityError, SealBroken, SignatureInvalid
from webraid.table.records import Close, Enroll, certificate
from webraid.table.verify import Verifier


@pytest.fixture
def verifier() -> Verifier:
    return Verifier(POOL, ROOT, OWNER.public)


def named(blob: bytes, name: str) -> str:
    """The name of ``name``'s device and number with the hash of ``blob``."""
    return name[:-16] + hashlib.sha256(blob).hexdigest()[:16]


def test_a_certified_device_is_believed(verifier: Verifier) -> None:
    alice = writer()
    (first, blob), (second, more) = alice.made[0], alice.write(Close(run=bytes(16)))
    assert verifier.knows(first) and not verifier.knows(second)
    record = verifier.open(blob, first)
    assert (record.device, record.seq, record.prev) == (ALICE.id, 1, bytes(32))
    assert verifier.knows(second)
    then = verifier.open(more, second)
    assert then.prev == record.digest == hashlib.sha256(blob).digest()
    assert then.body.ops == (Close(run=bytes(16)),)


def test_before_its_certificate_a_device_is_not_known(verifier: Verifier) -> None:
    alice = writer()
    name, blob = alice.write()
    with pytest.raises(SignatureInvalid, match="not known yet"):
        verifier.open(blob, name)


def test_this_machine_knows_itself_without_a_certificate() -> None:
    me = Verifier(POOL, ROOT, OWNER.public, ALICE)
    alice = Writer(ALICE, seq=4)
    name, blob = alice.write()
    assert me.knows(name) and me.open(blob, name).seq == 5


def test_another_hash_than_the_name_tells_is_refused(verifier: Verifier) -> None:
    alice = writer()
    name, blob = alice.made[0]
    with pytest.raises(SignatureInvalid, match="hash"):
        verifier.open(blob + b"\0", name)
    with pytest.raises(SignatureInvalid, match="hash"):
        verifier.open(blob, name[:-1] + ("0" if name[-1] != "0" else "1"))


def test_no_changed_byte_is_believed_even_under_its_own_hash(verifier: Verifier) -> None:
    alice = writer()
    verifier.open(alice.made[0][1], alice.made[0][0])
    name, blob = alice.write(Close(run=bytes(16)))
    for at in [*range(8, 24), *range(32, len(blob))]:
        spoilt = bytearray(blob)
        spoilt[at] ^= 1
        with pytest.raises(IntegrityError):
            verifier.open(bytes(spoilt), named(spoilt, name))


def test_a_record_under_the_name_of_another_number_or_device_is_refused(verifier: Verifier) -> None:
    alice, bob = writer(), Writer(BOB)
    bob.write(enroll(BOB))
    for made in (alice, bob):
        verifier.open(made.made[0][1], made.made[0][0])
    _, blob = alice.write()
    digest = hashlib.sha256(blob).digest()
    for name in (record_name(ALICE.id, 3, digest), record_name(BOB.id, 2, digest)):
        with pytest.raises(SignatureInvalid, match="another record's name"):
            verifier.open(blob, name)


def test_a_record_signed_by_another_device_is_refused(verifier: Verifier) -> None:
    alice = writer()
    verifier.open(alice.made[0][1], alice.made[0][0])
    bob = Writer(BOB)
    _, blob = bob.write()
    forged = blob[:24] + ALICE.id + blob[32:]
    with pytest.raises(SignatureInvalid):
        verifier.open(forged, record_name(ALICE.id, 1, hashlib.sha256(forged).digest()))


def test_a_first_record_without_a_certificate_is_refused(verifier: Verifier) -> None:
    bob = Writer(BOB)
    name, blob = bob.write(genesis())
    with pytest.raises(SignatureInvalid, match="no certificate"):
        verifier.open(blob, name)


def forgeries() -> dict[str, Enroll]:
    good = enroll(BOB)
    mallory = new_owner(ENV)
    signed = certificate(POOL, BOB.public, good.name, good.rights)
    elsewhere = certificate(bytes(16), BOB.public, good.name, good.rights)

    def like(**changes: object) -> Enroll:
        fields = {name: getattr(good, name) for name in ("public", "name", "rights", "signature")}
        return Enroll(**{**fields, **changes})  # type: ignore[arg-type]

    return {
        "signed by somebody else": like(signature=sign(mallory.private, signed)),
        "not signed": like(signature=bytes(64)),
        "of another pool": like(signature=sign(OWNER.private, elsewhere)),
        "another's": enroll(ALICE),
        "another name": like(name="admin"),
        "more rights": like(rights=("append", "forget", "sweep", "all")),
        "no key": like(public=b"", signature=sign(OWNER.private, signed)),
    }


@pytest.mark.parametrize("what", forgeries())
def test_a_forged_certificate_is_refused_and_the_device_stays_unknown(verifier: Verifier, what: str) -> None:
    bob = Writer(BOB)
    name, blob = bob.write(forgeries()[what])
    with pytest.raises(SignatureInvalid):
        verifier.open(blob, name)
    assert not verifier.knows(bob.write()[0])


def test_a_first_record_that_is_not_signed_by_the_certified_key_is_refused(verifier: Verifier) -> None:
    """A holder of the root secret copies a certificate into a record of his own."""
    mallory = Writer(ALICE)
    _, blob = mallory.write(enroll(BOB))
    forged = blob[:24] + BOB.id + blob[32:]
    with pytest.raises(SignatureInvalid):
        verifier.open(forged, record_name(BOB.id, 1, hashlib.sha256(forged).digest()))


def test_records_of_another_pool_or_root_are_refused(verifier: Verifier) -> None:
    for stranger in (Writer(ALICE, pool=bytes(16)), Writer(ALICE, root=new_root(ENV))):
        name, blob = stranger.write(enroll(ALICE))
        with pytest.raises(SealBroken):
            verifier.open(blob, name)


def test_a_body_that_is_none_is_refused(verifier: Verifier) -> None:
    with pytest.raises(IntegrityError):
        verifier.open(b"", record_name(ALICE.id, 1, hashlib.sha256(b"").digest()))
