"""tools/webraid_recover.py opens the frozen vectors of tests/vectors, and refuses what a reader must refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tools.loaded import TOOL
from webraid.codec.keys import Root

VECTORS = Path(__file__).parents[1] / "vectors"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def refused(call: Callable[[], object]) -> bool:
    """Whether it raises one of what the tool takes for a refusal; None is one for a slot."""
    try:
        return call() is None
    except TOOL.WRONG:
        return True


SLOTS, ENVELOPES, RECORDS = vectors("slots"), vectors("envelope"), vectors("record")


@pytest.mark.parametrize("kind", ["passphrase", "recovery"])
def test_a_slot_opens_with_its_secret(kind: str) -> None:
    case = SLOTS[kind]
    found = TOOL.open_slot(raw(case["blob"]), raw(SLOTS["pool"]), case["text"])
    assert found is not None
    assert found[0] == {(case["epoch"], raw(case["root"]))}


def test_a_slot_of_a_later_epoch_gives_all_roots() -> None:
    case = vectors("epochs")
    found = TOOL.open_slot(raw(case["slot"]["blob"]), raw(case["pool"]), case["slot"]["code"])
    assert found is not None
    assert found[0] == {(root["epoch"], raw(root["secret"])) for root in case["slot"]["roots"]}


@pytest.mark.parametrize("case", SLOTS["must_fail"], ids=lambda case: case["why"])
def test_a_slot_that_must_fail_does(case: dict[str, str]) -> None:
    text = case.get("text", SLOTS["passphrase"]["text"])
    assert refused(lambda: TOOL.open_slot(raw(case["blob"]), raw(case.get("pool", SLOTS["pool"])), text))


@pytest.mark.parametrize("case", ENVELOPES["good"], ids=lambda case: case["kind"])
def test_an_envelope_opens(case: dict[str, str]) -> None:
    keys = [bytes(32), raw(ENVELOPES["key"])]
    assert TOOL.open_envelope(keys, raw(ENVELOPES["pool"]), raw(case["kind"]), raw(case["blob"])) == raw(case["plain"])


@pytest.mark.parametrize("case", ENVELOPES["must_fail"], ids=lambda case: case["why"])
def test_an_envelope_that_must_fail_does(case: dict[str, str]) -> None:
    key, pool = (raw(case.get(name, ENVELOPES[name])) for name in ("key", "pool"))
    kind = raw(case.get("kind", ENVELOPES["good"][0]["kind"]))
    assert refused(lambda: TOOL.open_envelope([key], pool, kind, raw(case["blob"])))


def opened(blob: bytes, name: str, pool: bytes) -> str:
    """Why the tool refuses a record of the vectors.  Their bodies are no msgpack: it must not get farther than that."""
    public = raw(RECORDS["device_public"])
    device = name.split("/")[1]
    reader = SimpleNamespace(
        pool=pool, keys={"meta": [raw(RECORDS["meta"])]}, certificates={raw(device): {"public": public}}, owner=None
    )
    try:
        TOOL.Pool._record(reader, name, blob)
    except TOOL.WRONG as error:
        return repr(error)
    return ""


def test_a_record_is_whole_and_one_that_must_fail_is_not() -> None:
    good = RECORDS["good"][1]
    pool, name = raw(good["header"]["pool"]), good["name"]
    assert "DecodeError" in opened(raw(good["blob"]), name, pool)
    for case in RECORDS["must_fail"]:
        blob = raw(case["blob"])
        digest = TOOL.hashlib.sha256(blob).hexdigest()[:16]
        honest = f"log/{blob[24:32].hex()}/{int.from_bytes(blob[36:44], 'big'):010d}-{digest}"
        first = int.from_bytes(blob[36:44], "big") == 1  # which is opened before its signature is checked
        if len(blob) >= 152 and not first:
            assert "DecodeError" not in opened(blob, honest, pool), case["why"]
        assert "DecodeError" not in opened(blob, name, pool), case["why"]


class Bytes(SimpleNamespace):
    """A pack that is there as one piece."""

    def read(self, start: int, size: int) -> bytes:
        return bytes(self.blob[start : start + size])


def chunk(case: dict[str, Any], blob: bytes, at: dict[str, Any]) -> bytes | None:
    """A chunk of the vectors, without its id: they have made-up ones."""
    plain = raw(at["plain_bytes"])
    id_key = bytes(32)
    reader = SimpleNamespace(pool=raw(case["pool"]), keys={"id": [id_key]})
    where = [at[name] for name in ("kind", "number", "offset", "stored", "plain", "compressed")]
    id = TOOL.blake3.blake3(plain, key=id_key).digest(16)
    try:
        found: bytes = TOOL.Pool._opened(reader, id, Bytes(id=raw(case["pack"]), blob=blob), raw(case["key"]), *where)
    except TOOL.WRONG:
        return None
    return found


@pytest.mark.parametrize("name", ["pack", "pack-compressed"])
def test_chunks_open_and_damaged_packs_give_no_wrong_bytes(name: str) -> None:
    case = vectors(name)
    for at in case["chunks"]:
        assert chunk(case, raw(case["blob"]), at) == raw(at["plain_bytes"])
        assert chunk(case, raw(case["blob"]), at | {"plain": at["plain"] + 1}) is None
        for bad in case.get("must_fail", []):
            assert chunk(case, raw(bad["blob"]), at) in (raw(at["plain_bytes"]), None)


def test_a_chunk_id_is_that_of_the_vectors() -> None:
    keys = vectors("keys")
    root = Root(raw(keys["root"]["secret"]))
    for case in keys["chunk_ids"]:
        assert TOOL.blake3.blake3(raw(case["plain"]), key=root.id).digest(16) == raw(case["id"])


def test_every_data_shard_comes_back_from_any_k_others() -> None:
    for stripe in vectors("parity")["stripes"]:
        k, data = stripe["k"], [raw(text) for text in stripe["data"]]
        shards = [piece.ljust(len(data[0]), b"\0") for piece in data] + [raw(text) for text in stripe["parity"]]
        for lost in range(k):
            others = [index for index in range(len(shards)) if index != lost]
            for used in (others[:k], others[-k:]):
                got = TOOL.decode(stripe["code"], {index: shards[index] for index in used}, lost)
                assert got[: len(data[lost])] == data[lost]
