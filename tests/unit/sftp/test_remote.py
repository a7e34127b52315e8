"""Whole files and folders over a scripted server: short reads, lost bytes, windows, extensions that lie."""

from __future__ import annotations

import stat

import pytest

from tests.unit.sftp.script import Answer, Script, attributes, packet, status
from webraid.errors import ObjectNotFound, ProtocolError, QuotaExceeded, Unavailable
from webraid.model import Usage
from webraid_sftp import wire as sftp
from webraid_sftp.remote import FSYNC, LIMITS, POSIX_RENAME, STATVFS, Remote
from webraid_sftp.wire import Fields, string, u32, u64

HANDLE = b"h"
FILE, FOLDER = stat.S_IFREG | 0o600, stat.S_IFDIR | 0o700


def opened(number: int, _: Fields) -> bytes:
    return packet(sftp.HANDLE, u32(number), string(HANDLE))


def extended(**by_name: Answer) -> Answer:
    def answer(number: int, fields: Fields):
        name = fields.text().partition("@")[0].replace("-", "_")
        return by_name.get(name, lambda number, _: status(number, 8))(number, fields)

    return answer


def reader(data: bytes, *, most: int = 1 << 20, told: int | None = None, mode: int | None = FILE) -> dict[int, Answer]:
    """A file of ``data``; at most ``most`` bytes an answer."""

    def read(number: int, fields: Fields) -> bytes:
        fields.string()
        at, count = fields.u64(), fields.u32()
        part = data[at : at + min(count, most)]
        return packet(sftp.DATA, u32(number), string(part)) if part else status(number, 1)

    size = len(data) if told is None else told
    return {sftp.OPEN: opened, sftp.READ: read, sftp.FSTAT: lambda number, _: attributes(number, size, mode)}


def read(answers: dict[int, Answer], offset: int = 0, size: int | None = None, **more) -> bytes:
    return Remote(Script(answers, **more).wire()).read(b"/p", offset, size, "p")


DATA = bytes(range(251)) * 5000  # 1.2 MB


# -------------------------------------------------------------------------------------------------------------- read
@pytest.mark.parametrize("most", [1 << 20, 32768, 10_000, 4097])
@pytest.mark.parametrize(("offset", "size"), [(0, None), (0, 300_000), (777, 900_001), (1_000_000, None), (5, 1)])
def test_servers_may_give_less_than_was_asked_for(most: int, offset: int, size: int | None) -> None:
    end = None if size is None else offset + size
    assert read(reader(DATA, most=most), offset, size) == DATA[offset:end]


@pytest.mark.parametrize("size", [0, 1, 32767, 32768, 32769, 262_144, 262_145])
def test_a_whole_file_of_any_size_is_read(size: int) -> None:
    assert read(reader(DATA[:size])) == DATA[:size]


def test_a_file_that_got_shorter_is_no_file_of_that_size() -> None:
    with pytest.raises(Unavailable, match="shorter"):
        read(reader(DATA[:1000], told=2000))


def test_a_file_that_grew_is_read_as_it_was() -> None:
    assert read(reader(DATA, told=1000)) == DATA[:1000]


@pytest.mark.parametrize(("offset", "size"), [(11, None), (0, 11), (10, 1), (11, 0)])
def test_past_the_end_is_an_error(offset: int, size: int | None) -> None:
    with pytest.raises(ProtocolError, match="range"):
        read(reader(DATA[:10]), offset, size)


def test_the_end_itself_is_empty() -> None:
    assert read(reader(DATA[:10]), 10) == read(reader(DATA[:10]), 10, 0) == b""


def test_a_folder_is_no_object() -> None:
    with pytest.raises(ObjectNotFound):
        read(reader(b"", mode=FOLDER))


def test_no_size_is_no_answer() -> None:
    answers = reader(DATA) | {sftp.FSTAT: lambda number, _: attributes(number, None, FILE)}
    with pytest.raises(ProtocolError, match="large"):
        read(answers)


def test_a_read_costs_two_round_trips_and_leaves_nothing_open() -> None:
    script = Script(reader(DATA[:200_000]))
    remote = Remote(script.wire())
    assert remote.read(b"/p", 0, None, "p") == DATA[:200_000]
    assert script.asked[1:4] == [sftp.OPEN, sftp.FSTAT, sftp.READ]
    assert script.asked.count(sftp.CLOSE) == 1
    assert not remote.wire.broken


def test_no_more_than_a_window_is_under_way() -> None:
    under_way = [0, 0]

    class Counting(Script):
        def recv(self, nbytes: int, /) -> bytes:
            under_way[0] = 0
            return super().recv(nbytes)

    def counted(number: int, fields: Fields) -> bytes:
        under_way[0] += 1
        under_way[1] = max(under_way)
        return plain[sftp.READ](number, fields)  # type: ignore[return-value]

    large = DATA * 4
    plain = reader(large)
    assert Remote(Counting(plain | {sftp.READ: counted}).wire()).read(b"/p", 0, len(large), "p") == large
    assert 60 <= under_way[1] <= 64


# ------------------------------------------------------------------------------------------------------------- write
class Disk:
    """What a scripted server stored."""

    def __init__(self, *, loses: int = 0, refuses: int = 0) -> None:
        self.data = bytearray()
        self.loses = loses
        self.refuses = refuses
        self.writes: list[int] = []
        self.answers: dict[int, Answer] = {
            sftp.OPEN: opened,
            sftp.WRITE: self.write,
            sftp.LSTAT: lambda number, _: attributes(number, len(self.data) - self.loses, FILE),
        }

    def write(self, number: int, fields: Fields) -> bytes:
        fields.string()
        at, part = fields.u64(), bytes(fields.string())
        self.writes.append(len(part))
        if self.refuses and len(self.writes) == self.refuses:
            return status(number, 14)
        self.data[at : at + len(part)] = part
        return status(number, 0)


@pytest.mark.parametrize("size", [0, 1, 32768, 32769, 1_255_000])
def test_a_file_is_written_whole(size: int) -> None:
    disk = Disk()
    script = Script(disk.answers)
    Remote(script.wire()).write(b"/p", memoryview(DATA)[:size])
    assert bytes(disk.data) == DATA[:size]
    assert all(count <= 32768 for count in disk.writes)
    assert script.asked[-2:] == [sftp.CLOSE, sftp.LSTAT]


def test_bytes_that_got_lost_are_noticed_and_the_file_taken_away() -> None:
    script = Script(Disk(loses=1).answers)
    with pytest.raises(Unavailable, match="stored 999"):
        Remote(script.wire()).write(b"/p", memoryview(DATA)[:1000])
    assert script.asked[-1] == sftp.REMOVE


def test_a_size_that_is_told_late_will_do() -> None:
    disk, asked = Disk(), []

    def late(number: int, _: Fields) -> bytes:
        asked.append(number)
        return attributes(number, 0 if len(asked) == 1 else len(disk.data), FILE)

    Remote(Script(disk.answers | {sftp.LSTAT: late}).wire()).write(b"/p", memoryview(DATA)[:1000])
    assert len(asked) == 2


def test_one_write_of_many_that_fails_fails_all() -> None:
    script = Script(Disk(refuses=3).answers)
    remote = Remote(script.wire())
    with pytest.raises(QuotaExceeded):
        remote.write(b"/p", memoryview(DATA))
    assert script.asked[-2:] == [sftp.CLOSE, sftp.REMOVE]
    remote.remove(b"/q")  # the answers that nobody waited for do not get in the way


def test_a_failure_that_only_closing_tells_is_heard() -> None:
    answers = Disk().answers | {sftp.CLOSE: lambda number, _: status(number, 15)}
    with pytest.raises(QuotaExceeded):
        Remote(Script(answers).wire()).write(b"/p", memoryview(b"x"))


def test_larger_requests_are_made_where_the_server_says_so() -> None:
    def limits(read_most: int, write_most: int) -> Answer:
        return lambda number, _: packet(
            sftp.EXTENDED_REPLY, u32(number), u64(300_000), u64(read_most), u64(write_most), u64(0)
        )

    for told, wanted in (
        ((261_120, 261_120), 131_072),
        ((65_536, 0), 65_536),
        ((0, 0), 131_072),
        ((9000, 1 << 30), 9000),
    ):
        disk = Disk()
        script = Script(disk.answers | {sftp.EXTENDED: extended(limits=limits(*told))}, offers=(LIMITS,))
        Remote(script.wire()).write(b"/p", memoryview(DATA))
        assert max(disk.writes) == wanted
        assert bytes(disk.data) == DATA


def test_what_is_offered_and_then_refused_is_not_asked_for_again() -> None:
    script = Script(Disk().answers | {sftp.EXTENDED: extended()}, offers=(FSYNC, LIMITS, STATVFS, POSIX_RENAME))
    remote = Remote(script.wire())
    for _ in range(2):
        remote.write(b"/p", memoryview(b"x" * 0))
        remote.rename(b"/a", b"/b")
        assert remote.room(b"/") == Usage()
    assert script.asked.count(sftp.EXTENDED) == 4
    assert script.asked.count(sftp.RENAME) == 2


def test_a_file_is_synced_before_it_is_closed_where_the_server_can() -> None:
    script = Script(Disk().answers | {sftp.EXTENDED: lambda number, _: status(number, 0)}, offers=(FSYNC,))
    Remote(script.wire()).write(b"/p", memoryview(b"x"))
    assert script.asked[1:] == [sftp.OPEN, sftp.WRITE, sftp.EXTENDED, sftp.CLOSE, sftp.LSTAT]


# -------------------------------------------------------------------------------------------------------------- room
def room(*figures: int) -> Usage:
    answer: Answer = lambda number, _: packet(sftp.EXTENDED_REPLY, u32(number), *(u64(one) for one in figures))  # noqa: E731
    return Remote(Script({sftp.EXTENDED: extended(statvfs=answer)}, offers=(STATVFS,)).wire()).room(b"/")


def test_room_is_what_this_login_may_use() -> None:
    assert room(4096, 1024, 1000, 300, 200, 50, 40, 30, 0, 0, 255) == Usage(700 * 1024, 200 * 1024, 1000 * 1024)


def test_no_names_left_is_no_room_left() -> None:
    assert room(4096, 1024, 1000, 300, 200, 50, 0, 0, 0, 0, 255).free == 0


def test_a_server_that_tells_zeros_tells_nothing() -> None:
    assert room(*[0] * 11) == Usage()
    assert Remote(Script().wire()).room(b"/") == Usage()


# ----------------------------------------------------------------------------------------------------------- folders
def folders(held: dict[bytes, list[bytes]], *, page: int = 3, late: bool = False) -> dict[int, Answer]:
    """Folders and the names of files in them; ``late``: whether one that is missing is told only when it is read."""
    at: dict[bytes, int] = {}

    def opendir(number: int, fields: Fields) -> bytes:
        path = bytes(fields.string())
        at[path] = 0
        return packet(sftp.HANDLE, u32(number), string(path)) if path in held or late else status(number, 2)

    def readdir(number: int, fields: Fields) -> bytes:
        path = bytes(fields.string())
        if path not in held:
            return status(number, 2)
        names = held[path][at[path] : at[path] + page]
        at[path] += page
        entries = [string(name) + string(b"-rw") + u32(5) + u64(len(name)) + u32(FILE) for name in names]
        return packet(sftp.NAME, u32(number), u32(len(names)), *entries) if names else status(number, 1)

    return {sftp.OPENDIR: opendir, sftp.READDIR: readdir}


@pytest.mark.parametrize("late", [False, True])
def test_many_folders_are_read_at_once(late: bool) -> None:
    held = {b"/%d" % number: [b"f%d" % one for one in range(number)] for number in range(0, 80, 2)}
    script = Script(folders(held, late=late))
    found = dict(Remote(script.wire()).folders([b"/%d" % number for number in range(80)]))
    assert {
        path: None if entries is None else [entry.name.encode() for entry in entries] for path, entries in found.items()
    } == {b"/%d" % number: held.get(b"/%d" % number) for number in range(80)}
    assert script.asked[1:17] == [sftp.OPENDIR] * 16
    assert script.asked.count(sftp.CLOSE) == (80 if late else 40)


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one() -> None:
    answers = folders({b"/a": [b"x"], b"/b": []}) | {sftp.READDIR: lambda number, _: status(number, 3)}
    script = Script(answers)
    with pytest.raises(Exception, match="not allowed"):
        list(Remote(script.wire()).folders([b"/a", b"/b"]))
    assert script.asked.count(sftp.CLOSE) == 2


@pytest.mark.parametrize("count", [0, 2])
def test_a_path_that_is_not_one_is_refused(count: int) -> None:
    answers: dict[int, Answer] = {sftp.REALPATH: lambda number, _: packet(sftp.NAME, u32(number), u32(count))}
    with pytest.raises(ProtocolError, match="path"):
        Remote(Script(answers).wire()).absolute(b".")
