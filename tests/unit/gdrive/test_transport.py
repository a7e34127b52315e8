"""One request as it was meant: nothing is sent twice, nothing waits, a folder's odd name is found again."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
from collections.abc import Callable

import pytest

from tests.conformance.canned import Answer, canned_server
from tests.fakes.drive import FakeDrive
from webraid.backend.conformance.subject import put
from webraid.errors import BackendError, ProtocolError, Unavailable
from webraid_gdrive import DriveBackend, DriveOptions, names

OpenDisk = Callable[..., DriveBackend]


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    for connection in list(drive.open):
        connection.shutdown(socket.SHUT_RDWR)
    while drive.open:
        pass
    before = drive.requests()
    assert disk.get("log/a") == b"1"
    assert drive.requests() == before + 1


@pytest.mark.parametrize("fault", ["lost", "reset_before", "truncated", "reset_within"])
def test_a_broken_connection_repeats_nothing_and_the_next_request_works(
    drive: FakeDrive, disk: DriveBackend, fault: str
) -> None:
    put(disk, "log/a", b"1")
    before = drive.requests()
    with drive.fault(fault), pytest.raises(Unavailable):
        put(disk, "log/a", b"2")
    assert drive.requests() == before + 1
    assert put(disk, "log/a", b"3").verified


def test_a_server_that_goes_away_without_a_word_gets_the_request_once(drive: FakeDrive, disk: DriveBackend) -> None:
    """FIN instead of an answer, where httplib2 alone would send again."""
    put(disk, "log/a", b"1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        disk._drive._service._baseUrl = disk._drive._service._baseUrl.replace(str(drive.port), str(port))
        disk._drive._files = disk._drive._service.files()
        accepted: list[bytes] = []

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    accepted.append(connection.recv(65536))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(Unavailable):
            disk.stat("log/a")
        assert len(accepted) == 1
        with contextlib.suppress(BackendError):
            disk.stat("log/a")
        thread.join(5)


def test_nothing_is_asked_for_packed(secrets: dict[str, str]) -> None:
    """The SDK would ask for gzip; of ciphertext that saves nothing, and hides the length."""
    with canned_server() as canned:
        canned.answers = [Answer(200, b"packed", {"Content-Encoding": "gzip"})]
        disk = DriveBackend.connect(DriveOptions(endpoint=canned.endpoint, folder_id="f"), secrets)
        with contextlib.closing(disk), pytest.raises(ProtocolError, match="packed"):
            disk.get("log/a", locator="x")
        assert canned.headers[-1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("folder", ["it's mine", "back\\slash", "Größe/ü"])
def test_a_folder_may_have_any_name(drive: FakeDrive, open_disk: OpenDisk, folder: str) -> None:
    for elsewhere in (False, True):
        disk = open_disk(folder=folder, elsewhere=elsewhere)
        disk.prepare()
        put(disk, f"log/{elsewhere}", b"1")
    assert [found.name for found in disk.list("log/")] == ["log/False", "log/True"]
    assert len([file for file in drive.store.files.values() if file.name == folder]) == 1


def test_what_is_known_of_names_has_a_bound(
    drive: FakeDrive, disk: DriveBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 3)
    for number in range(6):
        put(disk, f"shards/ab/{number}", b"1")
    assert len(disk._names._ids) == 3
    for number in range(6):
        put(disk, f"shards/ab/{number}", b"2")
    assert len([file for file in drive.store.files.values() if file.name.startswith("shards/")]) == 6


def test_disks_that_are_long_closed_are_forgotten(drive: FakeDrive, open_disk: OpenDisk) -> None:
    for number in range(12):
        open_disk(folder=f"f{number}").close()
    gc.collect()
    assert len(names._LATELY) <= 8
