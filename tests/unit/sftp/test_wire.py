"""The protocol: packets that are late, strange, cut off, or nobody's."""

from __future__ import annotations

import pytest

from tests.unit.sftp.script import Script, attributes, packet, status
from webraid.errors import Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid_sftp import wire as sftp
from webraid_sftp.wire import Attributes, Fields, string, u32, u64


def test_extensions_are_remembered() -> None:
    assert Script(offers=("fsync@openssh.com", "x")).wire().extensions == {"fsync@openssh.com": b"1", "x": b"1"}


@pytest.mark.parametrize(
    ("begin", "wanted"),
    [
        (b"Welcome to this server!\r\n", Misconfigured),
        (packet(sftp.STATUS, u32(0), u32(4)), ProtocolError),
        (packet(sftp.VERSION, u32(3), string(b"name without a value")), ProtocolError),
        (packet(sftp.VERSION, u32(3), u32(99), b"short"), ProtocolError),
        (packet(sftp.VERSION, u32(3))[:-2], Unavailable),
    ],
)
def test_what_does_not_begin_as_sftp_is_told_apart(begin: bytes, wanted: type[Exception]) -> None:
    with pytest.raises(wanted) as caught:
        Script(begin=begin).wire()
    assert type(caught.value) is wanted


def test_a_greeting_is_explained() -> None:
    with pytest.raises(Misconfigured) as caught:
        Script(begin=b"Welcome!\r\n").wire()
    assert ".bashrc" in caught.value.hint


def test_answers_may_come_in_any_order() -> None:
    first: list[int] = []

    def late(number: int, _: Fields) -> list[bytes]:
        first.append(number)
        return [] if len(first) == 1 else [attributes(number, 2), attributes(first[0], 1)]

    wire = Script({sftp.STAT: late}).wire()
    one, two = wire.send(sftp.STAT, string(b"a")), wire.send(sftp.STAT, string(b"b"))
    assert wire.answer(one, sftp.ATTRS).attributes().size == 1
    assert wire.answer(two, sftp.ATTRS).attributes().size == 2
    assert not wire.broken


def test_answers_that_are_not_wanted_are_let_go() -> None:
    script = Script({sftp.STAT: lambda number, _: attributes(number, number)})
    wire = script.wire()
    wire.forget([wire.send(sftp.STAT, string(b"a")), 12345])
    number = wire.send(sftp.STAT, string(b"b"))
    assert wire.answer(number, sftp.ATTRS).attributes().size == number
    wire.forget([number])  # it was fetched: nothing to forget
    assert wire.ask(sftp.STAT, sftp.ATTRS, string(b"c")).attributes().size == number + 1


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (lambda number: packet(sftp.NAME, u32(number)), ProtocolError),
        (lambda number: attributes(number + 7, 1), ProtocolError),
        (lambda number: packet(sftp.ATTRS, u32(number))[:-1], Unavailable),
        (lambda number: u32(0xFFFFFFF) + b"x", ProtocolError),
        (lambda number: u32(2) + b"xy", ProtocolError),
        (lambda number: b"", Unavailable),
    ],
)
def test_an_answer_that_makes_no_sense_breaks_the_session(reply, wanted: type[Exception]) -> None:
    wire = Script({sftp.STAT: lambda number, _: reply(number)}).wire()
    with pytest.raises(wanted):
        wire.ask(sftp.STAT, sftp.ATTRS, string(b"a"))
    assert wire.broken


def test_what_the_server_refuses_breaks_nothing() -> None:
    wire = Script({sftp.STAT: lambda number, _: status(number, 2, "No such file")}).wire()
    with pytest.raises(ObjectNotFound):
        wire.ask(sftp.STAT, sftp.ATTRS, string(b"a"))
    assert not wire.broken


def test_a_status_without_a_text_will_do() -> None:
    wire = Script({sftp.STAT: lambda number, _: packet(sftp.STATUS, u32(number), u32(2))}).wire()
    with pytest.raises(ObjectNotFound):
        wire.ask(sftp.STAT, sftp.ATTRS, string(b"a"))


def test_an_end_where_there_is_none_is_an_error() -> None:
    wire = Script({sftp.STAT: lambda number, _: status(number, 1)}).wire()
    assert wire.maybe(wire.send(sftp.STAT, string(b"a")), sftp.ATTRS) is None
    with pytest.raises(ProtocolError):
        wire.ask(sftp.STAT, sftp.ATTRS, string(b"a"))


def test_a_session_whose_channel_fails_is_broken() -> None:
    class Dead(Script):
        def sendall(self, data: bytes, /) -> None:
            if len(self.asked) > 0:
                raise TimeoutError
            super().sendall(data)

    wire = Dead().wire()
    with pytest.raises(TimeoutError):
        wire.send(sftp.STAT, string(b"a"))
    assert wire.broken


def test_attributes_of_every_sort_are_read() -> None:
    told = u32(0x8000000F) + u64(5) + u32(1) + u32(2) + u32(0o100600) + u32(3) + u32(4)
    told += u32(1) + string(b"name") + string(b"value") + u32(77)
    fields = Fields(memoryview(told))
    assert fields.attributes() == Attributes(5, 0o100600, 4)
    assert fields.u32() == 77
    assert Fields(memoryview(u32(0))).attributes() == Attributes()


@pytest.mark.parametrize("cut", range(1, 12))
def test_fields_past_the_end_are_an_error(cut: int) -> None:
    whole = u32(1) + u64(5)
    with pytest.raises(ProtocolError):
        Fields(memoryview(whole)[:-cut]).attributes()


def test_numbers_begin_again_before_they_grow_too_long() -> None:
    script = Script({sftp.STAT: lambda number, _: attributes(number, number)})
    wire = script.wire()
    wire._number = 0xFFFFFFFE
    sizes = [wire.ask(sftp.STAT, sftp.ATTRS, string(b"a")).attributes().size for _ in range(3)]
    assert sizes == [0xFFFFFFFF, 1, 2]
