"""Guarded holds a plug-in to its promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from webraid.backend.base import Caps, Digest
from webraid.backend.faulty import Fault, Faults, Faulty
from webraid.backend.guarded import Guarded, legal_name
from webraid.backend.memory import CAPS, Memory
from webraid.backend.wrapper import Wrapper
from webraid.errors import (
    BackendError,
    ObjectNotFound,
    ObjectTooLarge,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)  # fmt: skip
from webraid.model import Stored, Usage

SHA = "0" * 64


class Leaky(Memory):
    """Lets out whatever it is told to."""

    ERRORS = {
        OSError: lambda error: Unavailable(f"errno {error.args[0]}"),
        BufferError: lambda error: QuotaExceeded(error.args[7]),
    }
    leak: BaseException = OSError(5)

    def usage(self) -> Usage:
        raise self.leak

    def list(self, prefix: str) -> Iterator[Stored]:
        yield Stored("a", 1)
        raise self.leak

    def close(self) -> None:
        raise self.leak


def test_a_leak_is_mapped_by_the_plugins_own_table_and_names_the_disk() -> None:
    disk = Guarded(Leaky(), "attic")
    for request in (disk.usage, disk.close, lambda: disk.list("ab")):
        with pytest.raises(Unavailable, match=r"^disk attic: errno 5$") as caught:
            request()
        assert isinstance(caught.value.__cause__, OSError)
    assert (caught.value.disk, caught.value.key) == ("attic", "ab")


@pytest.mark.parametrize("leak", [ZeroDivisionError("x"), BufferError("the mapping itself fails"), StopIteration()])
def test_what_the_table_does_not_know_is_a_protocol_error_with_its_cause(leak: Exception) -> None:
    backend = Leaky()
    backend.leak = leak
    with pytest.raises(ProtocolError, match=type(leak).__name__) as caught:
        Guarded(backend, "attic").usage()
    assert caught.value.__cause__ is leak


def test_an_interrupt_is_nobodys_error() -> None:
    backend = Leaky()
    backend.leak = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        Guarded(backend, "attic").usage()


def test_a_backend_error_passes_as_it_is_and_keeps_what_it_says() -> None:
    backend = Leaky()
    backend.leak = error = Unavailable("x", disk="other", key="there")
    with pytest.raises(Unavailable) as caught:
        Guarded(backend, "attic").usage()
    assert caught.value is error
    assert (error.disk, error.key) == ("other", "there")


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("pool", True), ("shards/ab/0.1", True), ("a" * 200, True), ("...", True), (".a/b.", True),
        ("", False), ("a" * 201, False), ("A", False), ("a b", False), ("/a", False), ("a/", False), ("a//b", False),
        ("..", False), ("a/../b", False), ("./a", False), ("a/.", False), ("a\n", False), ("ä", False), ("a_b", False),
    ],
)  # fmt: skip
def test_names_are_checked_before_anything_is_sent(name: str, legal: bool, put: Any) -> None:
    assert legal_name(name) is legal
    faults = Faults()
    disk = Guarded(Faulty(Memory(), faults), "attic")
    if legal:
        put(disk, name, b"x")
        assert disk.get(name) == b"x"
        return
    for request in (lambda: put(disk, name, b"x"), lambda: disk.get(name), lambda: disk.stat(name),
                    lambda: disk.delete(name)):  # fmt: skip
        with pytest.raises(ProtocolError, match="not a legal"):
            request()
    assert faults.calls == 0


def test_a_put_needs_the_digests_the_place_asks_for() -> None:
    disk = Guarded(Memory(), "attic")
    for digest in (Digest(""), Digest("xyz"), Digest(SHA.upper() + "A"), Digest(SHA, "short")):
        with pytest.raises(ProtocolError, match="a put needs"):
            disk.put("a", b"", digest=digest)
    only_md5 = Guarded(Memory(caps=Caps(hashes=("md5",))), "attic")
    with pytest.raises(ProtocolError, match="md5"):
        only_md5.put("a", b"", digest=Digest(SHA))


def test_other_bytes_at_the_provider_are_noticed_by_its_hash() -> None:
    disk = Guarded(Memory(caps=replace(CAPS, server_checks_digest=False)), "attic")
    with pytest.raises(ProtocolError, match="sha256"):
        disk.put("a", b"abc", digest=Digest(SHA))


def test_an_object_that_is_too_large_is_not_sent(put: Any) -> None:
    faults = Faults()
    disk = Guarded(Faulty(Memory(caps=replace(CAPS, max_object=4)), faults), "attic")
    put(disk, "a", b"1234")
    with pytest.raises(ObjectTooLarge):
        put(disk, "b", b"12345")
    assert faults.calls == 1


@pytest.mark.parametrize("fault", [Fault.SHORT, Fault.LONG])
def test_a_range_of_another_length_is_an_error(fault: Fault, put: Any) -> None:
    faults = Faults()
    disk = Guarded(Faulty(Memory(), faults), "attic")
    put(disk, "a", b"0123456789")
    faults.script = [fault]
    with pytest.raises(ProtocolError, match="3 bytes were asked for"):
        disk.get("a", offset=2, size=3)
    assert disk.get("a", offset=2, size=3) == b"234"
    with pytest.raises(ProtocolError, match="negative"):
        disk.get("a", offset=-1)


def test_a_listing_with_a_name_twice_or_beside_its_prefix_is_an_error(put: Any) -> None:
    faults = Faults()
    disk = Guarded(Faulty(Memory(), faults), "attic")
    faults.script = [Fault.TWICE]
    put(disk, "a/1", b"x")
    with pytest.raises(ProtocolError, match="twice"):
        disk.list("a/")

    class Beside(Memory):
        def list(self, prefix: str) -> Iterator[Stored]:
            yield Stored("b", 1)

    with pytest.raises(ProtocolError, match="under its prefix"):
        Guarded(Beside(), "attic").list("a")
    with pytest.raises(ProtocolError, match="legal prefix"):
        disk.list("A")


def test_a_strangers_file_in_the_same_folder_is_passed_over() -> None:
    backend = Memory()
    for name in ("a", "Desktop.ini", "b c"):
        backend.store.put(name, b"x")
    assert [stored.name for stored in Guarded(backend, "attic").list("")] == ["a"]


def test_answers_about_something_else_are_errors(put: Any) -> None:
    class Liar(Memory):
        answer = Stored("a", 1)
        body: Any = b""

        def put(self, name: str, data: Any, *, digest: Digest) -> Stored:
            return self.answer

        def stat(self, name: str, *, locator: str = "") -> Stored:
            return self.answer

        def get(self, name: str, **more: Any) -> bytes:
            return self.body

        def usage(self) -> Usage:
            return Usage(used=-1)

    liar = Liar()
    disk = Guarded(liar, "attic")
    with pytest.raises(ProtocolError, match="2 bytes were put, 1 are stored"):
        put(disk, "a", b"xx")
    with pytest.raises(ProtocolError, match="another object"):
        put(disk, "b", b"x")
    with pytest.raises(ProtocolError, match="another object"):
        disk.stat("b")
    with pytest.raises(ProtocolError, match="usage"):
        disk.usage()
    liar.body = bytearray(b"x")
    with pytest.raises(ProtocolError, match="bytearray"):
        disk.get("a")


def test_a_plugin_that_keeps_its_promises_is_not_disturbed(put: Any) -> None:
    disk = Guarded(Memory(), "attic")
    stored = put(disk, "a", b"abc")
    assert stored.verified
    assert disk.stat("a").hash("sha256") == stored.hash("sha256")
    assert disk.usage() == Usage(used=3)
    disk.prepare()
    disk.delete("a")
    disk.delete("a")
    with pytest.raises(ObjectNotFound) as caught:
        disk.get("a")
    assert (caught.value.disk, caught.value.key) == ("attic", "a")
    disk.close()


def test_a_wrapper_is_no_kind_of_disk() -> None:
    for ask in (Wrapper.options_type, lambda: Wrapper.connect(None, {}), lambda: Wrapper.identity(None),
                lambda: Wrapper.default_domain(None, "x")):  # fmt: skip
        with pytest.raises(Unsupported):
            ask()
    assert issubclass(Unsupported, BackendError)
