"""Labs come up, stay, are found again and go: processes, folders, ports, the control channel."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import webraid.lab.control
import webraid.lab.lab
from webraid.errors import ConfigError, Unavailable
from webraid.lab import PROFILES, Lab, LinkSpec, Profile, open_lab, start
from webraid.lab.control import call

Start = Callable[..., Lab]
PAIR = Profile("pair", {"a": LinkSpec(setup=0.0), "b": LinkSpec(setup=0.0)})


def test_every_cloud_listens_when_start_returns(labs: Start) -> None:
    lab = labs("lab", "fast6")
    assert [cloud.name for cloud in lab.clouds] == ["c1", "c2", "c3", "c4", "c5", "c6"]
    for cloud in lab.clouds:
        socket.create_connection(("127.0.0.1", int(cloud.endpoint.rpartition(":")[2])), timeout=5).close()
    assert len({(cloud.endpoint, cloud.access_key, cloud.secret_key) for cloud in lab.clouds}) == 6


def test_starting_twice_gives_the_same_lab(labs: Start, tmp_path: Path) -> None:
    first, again = labs("lab", PAIR), labs("lab", PAIR)
    assert (first.pid, first.clouds) == (again.pid, again.clouds)
    assert open_lab(tmp_path / "lab").pid == first.pid
    with pytest.raises(ConfigError, match="profile pair runs"):
        labs("lab", "fast6")


def test_starting_at_the_same_time_gives_the_same_lab(labs: Start) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(labs("lab", PAIR).pid)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1


def test_ports_keys_and_objects_survive_a_restart(labs: Start, client_of: Callable[..., Any]) -> None:
    lab = labs("lab", PAIR)
    before = lab.clouds
    client_of(before[0]).put_object(Bucket="lab", Key="k", Body=b"bytes", Metadata={"m": "1"})
    upload = client_of(before[1]).create_multipart_upload(Bucket="lab", Key="unfinished")["UploadId"]
    client_of(before[1]).upload_part(Bucket="lab", Key="unfinished", UploadId=upload, PartNumber=1, Body=b"x")
    lab.kill("b")
    lab.down()
    again = labs("lab", PAIR)
    assert again.pid != lab.pid
    assert again.clouds == before
    got = client_of(again.clouds[0]).get_object(Bucket="lab", Key="k")
    assert (got["Body"].read(), got["Metadata"]) == (b"bytes", {"m": "1"})
    assert not (lab.directory / "b" / ".incoming").exists()


def test_a_cloud_that_left_the_profile_comes_back_as_it_was(labs: Start) -> None:
    first = labs("lab", PAIR).clouds[1]
    labs("lab", PAIR).down()
    labs("lab", Profile("single", {"a": LinkSpec()})).down()
    assert labs("lab", PAIR).clouds[1] == first


def test_a_taken_port_is_named(labs: Start, tmp_path: Path) -> None:
    lab = labs("lab", PAIR)
    port = int(lab.clouds[0].endpoint.rpartition(":")[2])
    lab.down()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(ConfigError, match=f"port {port} .* a is taken"):
        start(tmp_path / "lab", PAIR)
    with pytest.raises(ConfigError, match="no lab runs"):
        open_lab(tmp_path / "lab")
    assert labs("lab", PAIR).clouds[0].endpoint.endswith(f":{port}")


def test_a_killed_cloud_keeps_its_port_to_itself(labs: Start) -> None:
    lab = labs("lab", PAIR)
    port = int(lab.cloud("a").endpoint.rpartition(":")[2])
    lab.kill("a")
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    lab.restore("a")


def test_two_labs_live_side_by_side(labs: Start, client_of: Callable[..., Any], ended: Callable[[int], bool]) -> None:
    one, two = labs("one", PAIR), labs("two", PAIR)
    assert not {cloud.endpoint for cloud in one.clouds} & {cloud.endpoint for cloud in two.clouds}
    with pytest.raises(ClientError):
        client_of(one.clouds[0], access_key=two.clouds[0].access_key).list_objects_v2(Bucket="lab")
    one.kill("a")
    assert [cloud.state for cloud in two.clouds] == ["up", "up"]
    one.down()
    assert ended(one.pid)
    client_of(two.clouds[0]).put_object(Bucket="lab", Key="k", Body=b"bytes")


def test_down_ends_the_process_and_may_be_repeated(labs: Start, ended: Callable[[int], bool]) -> None:
    lab = labs("lab", PAIR)
    lab.down()
    assert ended(lab.pid)
    lab.down()
    with pytest.raises(Unavailable, match="does not answer"):
        lab.stats()
    with pytest.raises(ConfigError, match="no lab runs"):
        open_lab(lab.directory)


def test_no_lab_where_there_never_was_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no lab runs") as caught:
        open_lab(tmp_path / "nothing")
    assert "webraid lab up" in caught.value.hint
    assert not (tmp_path / "nothing").exists()


def test_a_lab_outlives_a_parent_that_is_killed(tmp_path: Path, ended: Callable[[int], bool]) -> None:
    code = (
        "import sys, pathlib; from webraid.lab import start;"
        "print(start(pathlib.Path(sys.argv[1]), 'fast6').pid, flush=True); sys.stdin.read()"
    )
    paths = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lab")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    with parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        os.killpg(os.getpgid(parent.pid), 0)
        parent.kill()
    lab = open_lab(tmp_path / "lab")
    assert lab.pid == pid
    assert os.getsid(pid) != os.getsid(0)
    assert {cloud.state for cloud in lab.clouds} == {"up"}
    lab.down()
    assert ended(pid)


def test_a_lab_that_was_killed_is_started_again(
    labs: Start, client_of: Callable[..., Any], ended: Callable[[int], bool]
) -> None:
    lab = labs("lab", PAIR)
    before = lab.clouds
    client_of(before[0]).put_object(Bucket="lab", Key="k", Body=b"bytes")
    with (lab.directory / "a" / ".index.jsonl").open("ab") as index:
        index.write(b'{"b": "lab", "k": "torn')
    os.kill(lab.pid, signal.SIGKILL)
    assert ended(lab.pid)
    with pytest.raises(Unavailable):
        lab.stats()
    with pytest.raises(ConfigError, match="no lab runs"):
        open_lab(lab.directory)
    lab.down()
    again = labs("lab", PAIR)
    assert again.clouds == before
    assert client_of(before[0]).get_object(Bucket="lab", Key="k")["Body"].read() == b"bytes"


def test_a_lab_that_does_not_listen_is_made_to_end(
    labs: Start, monkeypatch: pytest.MonkeyPatch, ended: Callable[[int], bool]
) -> None:
    lab = labs("lab", PAIR)
    monkeypatch.setattr(webraid.lab.control, "PATIENCE", 0.1)
    monkeypatch.setattr(webraid.lab.lab, "END_PATIENCE", 0.1)
    os.kill(lab.pid, signal.SIGSTOP)
    lab.down()
    assert ended(lab.pid)


def test_a_process_that_is_not_ours_is_left_alone(labs: Start, tmp_path: Path) -> None:
    lab = labs("lab", PAIR)
    lab.down()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for name in ("lab.json", "server.lock"):
            path = lab.directory / name
            path.write_text(path.read_text().replace(str(lab.pid), str(other.pid)))
        lab.down()
        assert other.poll() is None
        other.communicate(b"\n")
    assert other.returncode == 0


def test_a_lab_whose_folder_is_removed_ends_by_itself(labs: Start, ended: Callable[[int], bool]) -> None:
    lab = labs("lab", PAIR)
    shutil.rmtree(lab.directory)
    assert ended(lab.pid)


def test_destroy_removes_what_is_the_labs_and_nothing_else(labs: Start, ended: Callable[[int], bool]) -> None:
    lab = labs("lab", PAIR)
    (lab.directory / "notes.txt").write_text("mine")
    lab.destroy()
    assert ended(lab.pid)
    assert [path.name for path in lab.directory.iterdir()] == ["notes.txt"]
    (lab.directory / "notes.txt").unlink()
    labs("lab", PAIR).destroy()
    assert not lab.directory.exists()


def test_a_lab_is_taken_down_at_the_end_of_its_block(labs: Start, ended: Callable[[int], bool]) -> None:
    with labs("lab", PAIR) as lab:
        assert lab.clouds[0].state == "up"
    assert ended(lab.pid)


def test_only_the_user_can_read_the_keys_and_only_with_them_command(labs: Start) -> None:
    lab = labs("lab", PAIR)
    path = lab.directory / "lab.json"
    raw = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert lab.directory.stat().st_mode & 0o777 == 0o700
    for token in ("", "0" * 64):
        with pytest.raises(ConfigError, match="token is wrong"):
            call(raw["control"], token, "quit")
    with socket.create_connection(("127.0.0.1", raw["control"]), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"not a command" in line.recv(1000)
    with pytest.raises(ConfigError, match="knows no command"):
        call(raw["control"], raw["token"], "dance", name="a")
    assert lab.clouds[0].secret_key not in repr(lab.clouds)
    assert raw["token"] not in repr(vars(lab))
    command = Path(f"/proc/{lab.pid}/cmdline").read_bytes()
    assert not any(secret.encode() in command for secret in (raw["token"], lab.clouds[0].secret_key))


def test_the_lab_is_not_handed_the_users_passwords(labs: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBRAID_PASSWORD", "a passphrase")
    assert b"a passphrase" not in Path(f"/proc/{labs('lab', PAIR).pid}/environ").read_bytes()


def test_doors_are_on_the_loopback_only(labs: Start) -> None:
    lab = labs("lab", PAIR)
    inodes = set()
    for link in Path(f"/proc/{lab.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it works on: what is open now may be closed next
            inodes.add(os.readlink(link))
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    doors = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
    assert len(doors) == 3  # two clouds and the control channel
    assert {door.partition(":")[0] for door in doors} == {"0100007F"}


def test_chance_repeats_from_the_seed(labs: Start, client_of: Callable[..., Any]) -> None:
    def luck(name: str, seed: int) -> list[bool]:
        lab = labs(name, PAIR, seed=seed)
        lab.fail("a", 0.5)
        s3, out = client_of(lab.cloud("a")), []
        for _ in range(20):
            try:
                s3.head_bucket(Bucket="lab")
                out.append(True)
            except ClientError:
                out.append(False)
        return out

    assert luck("one", 7) == luck("two", 7) != luck("three", 8)


def test_a_broken_lab_json_is_named(labs: Start) -> None:
    lab = labs("lab", PAIR)
    lab.down()
    for text in ("{", "[]", '{"format": 9}'):
        (lab.directory / "lab.json").write_text(text)
        with pytest.raises(ConfigError, match=r"lab\.json"):
            start(lab.directory, PAIR)
    (lab.directory / "lab.json").unlink()


@pytest.mark.parametrize("name", ["lab5", "home"])  # the others differ from these in figures only
def test_a_shipped_profile_starts_as_it_is_written(labs: Start, name: str) -> None:
    lab = labs("lab", name)
    assert {cloud.name: (cloud.up, cloud.down, cloud.rtt) for cloud in lab.clouds} == {
        key: (spec.up, spec.down, spec.rtt) for key, spec in PROFILES[name].clouds.items()
    }
