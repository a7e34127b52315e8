"""What a disk behind rclone does besides the checks: folders that are gone, leftovers, reasons, renewed tokens."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conformance import servers_rclone
from webraid.backend.base import Backend
from webraid.backend.conformance.subject import digest_of, put
from webraid.backend.login import Secrets
from webraid.errors import AuthExpired, Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid_rclone import RcloneBackend, RcloneOptions
from webraid_rclone.daemon import Daemon

DAY = 86_400


@pytest.fixture(params=["rcd", "process"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RcloneBackend]:
    options = RcloneOptions(f":local:{tmp_path}", transport=request.param)
    with contextlib.closing(RcloneBackend.connect(options, {})) as backend:
        backend.prepare()
        yield backend


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "webraid"


# ------------------------------------------------------------------------------------------------ folders that are gone
def test_a_folder_that_is_gone_is_a_lost_disk_not_an_empty_one(disk: RcloneBackend, root: Path) -> None:
    put(disk, "a", b"1")
    shutil.rmtree(root)
    for action in (
        lambda: disk.get("a"), lambda: disk.get("a", offset=0, size=1), lambda: disk.stat("a"),
        lambda: list(disk.list("")), lambda: list(disk.list("shards/")),
    ):  # fmt: skip
        with pytest.raises(Misconfigured, match="not there"):
            action()


def test_a_folder_that_is_gone_is_not_made_anew_by_a_put(root: Path, tmp_path: Path) -> None:
    with contextlib.closing(RcloneBackend.connect(RcloneOptions(f":local:{tmp_path}"), {})) as backend:
        with pytest.raises(Misconfigured):
            put(backend, "a", b"1")
        assert not root.exists()
        backend.prepare()
        put(backend, "a", b"1")


# ------------------------------------------------------------------------------------------------------------ leftovers
def test_what_a_crash_left_behind_is_not_listed_and_goes_after_a_day(disk: RcloneBackend, root: Path) -> None:
    parts = root / "_part"
    parts.mkdir()
    for name, age in (("old", 2 * DAY), ("new", 60)):
        (parts / name).write_bytes(b"half")
        when = (parts / name).stat().st_mtime - age
        os.utime(parts / name, (when, when))
    assert not list(disk.list(""))
    put(disk, "a", b"1")
    assert [path.name for path in parts.iterdir()] == ["new"]
    assert [stored.name for stored in disk.list("")] == ["a"]


def test_only_what_is_in_the_folder_for_parts_is_swept(disk: RcloneBackend, root: Path) -> None:
    put(disk, "old", b"1")
    os.utime(root / "old", (1, 1))
    disk._swept = False
    put(disk, "a", b"1")
    assert {stored.name for stored in disk.list("")} == {"a", "old"}


def test_a_put_that_was_refused_leaves_nothing(disk: RcloneBackend, root: Path) -> None:
    with pytest.raises(Unavailable, match="other bytes"):
        disk.put("a", b"damaged", digest=digest_of(b"meant"))
    assert not [path for path in root.rglob("*") if path.is_file()]


# -------------------------------------------------------------------------------------------------------------- objects
def test_a_listing_of_thousands_is_whole(disk: RcloneBackend, root: Path) -> None:
    names = {f"shards/{number % 97:02x}/{number}" for number in range(4000)}
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert {stored.name for stored in disk.list("")} == names
    part = {name for name in names if name.startswith("shards/1")}
    assert {stored.name for stored in disk.list("shards/1")} == part


def test_an_object_of_the_same_size_in_the_same_second_goes_over_the_first(disk: RcloneBackend) -> None:
    for data in (b"one", b"two"):
        put(disk, "a", data)
        assert disk.get("a") == data


def test_a_hash_that_is_slow_is_told_of_one_object_not_of_all(disk: RcloneBackend) -> None:
    put(disk, "a", b"1")
    assert disk.caps.hashes == ("sha256",) and not disk.caps.hashes_in_list
    assert disk.stat("a").hash("sha256") == digest_of(b"1").sha256
    assert [stored.hashes for stored in disk.list("")] == [()]


def test_names_that_the_server_would_move_are_refused(tmp_path: Path) -> None:
    with contextlib.closing(RcloneBackend.connect(RcloneOptions(f":local:{tmp_path}"), {})) as backend:
        backend.prepare()
        with pytest.raises(ProtocolError):
            backend.get("data/abc")


# -------------------------------------------------------------------------------------------------------------- reasons
def test_where_the_log_may_be_anothers_the_reason_is_asked_for(tmp_path: Path) -> None:
    with contextlib.closing(RcloneBackend.connect(RcloneOptions(f":local:{tmp_path}"), {})) as backend:
        backend.prepare()
        (tmp_path / "webraid" / "file").write_bytes(b"1")
        transport = backend._transport
        assert isinstance(transport, Daemon)
        with transport._process.running().log.request("none", "another remote:"), pytest.raises(ObjectNotFound):
            backend.get("none")


def test_a_server_that_went_away_is_unavailable_for_all(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with servers_rclone.wsgidav(tmp_path / "served") as server:
            secrets = {"section": servers_rclone.dav_section(server)}
            backend = stack.enter_context(
                contextlib.closing(RcloneBackend.connect(RcloneOptions(type="webdav"), secrets))
            )
        for action in (
            lambda: backend.get("a"), lambda: put(backend, "a", b"1"), lambda: backend.stat("a"),
            lambda: list(backend.list("")), lambda: backend.delete("a"), backend.usage, backend.prepare,
        ):  # fmt: skip
            with pytest.raises(Unavailable, match="cannot be reached"):
                action()


@pytest.mark.parametrize("options", [RcloneOptions("nope:"), RcloneOptions("nope:", transport="process")])
def test_a_remote_without_a_section_says_what_to_do(options: RcloneOptions) -> None:
    with pytest.raises(Misconfigured) as raised:
        RcloneBackend.connect(options, {})
    assert "--section" in raised.value.hint


@pytest.mark.parametrize("transport", ["rcd", "process"])
def test_a_wrong_password_is_a_login_to_renew(transport: str, tmp_path: Path) -> None:
    with servers_rclone.wsgidav(tmp_path / "served") as server:
        section = json.loads(servers_rclone.dav_section(server)) | {"pass": servers_rclone.obscured("wrong")}
        options = RcloneOptions(type="webdav", transport=transport)  # type: ignore[arg-type]
        with (
            pytest.raises(AuthExpired),
            contextlib.closing(RcloneBackend.connect(options, {"section": json.dumps(section)})) as backend,
        ):
            backend.prepare()


def test_without_a_hash_nothing_is_called_verified(tmp_path: Path) -> None:
    with servers_rclone.wsgidav(tmp_path / "served") as server:
        secrets = {"section": servers_rclone.dav_section(server)}
        with contextlib.closing(RcloneBackend.connect(RcloneOptions(type="webdav"), secrets)) as backend:
            backend.prepare()
            stored = put(backend, "a", b"1")
            assert not stored.verified and not stored.hashes and not backend.caps.hashes


# -------------------------------------------------------------------------------------------------------------- tokens
class Kept:
    """Where renewed secrets land."""

    def __init__(self) -> None:
        self.values: list[Mapping[str, str]] = []

    def __call__(self, values: Mapping[str, str]) -> None:
        self.values.append(values)


@pytest.mark.parametrize("lasting", [True, False])
def test_a_token_that_rclone_renews_lands_in_the_secrets(lasting: bool, tmp_path: Path) -> None:
    section = json.dumps({"type": "alias", "remote": str(tmp_path), "token": "old"})
    kept = Kept()
    folder = tmp_path / "kept" if lasting else None
    secrets = Secrets({"section": section}, disk="r1", folder=folder, keep=kept)
    backend: Backend = RcloneBackend.connect(RcloneOptions(type="alias"), secrets)
    with contextlib.closing(backend):
        backend.prepare()
        assert isinstance(backend, RcloneBackend) and isinstance(backend._transport, Daemon)
        file = backend._transport._process.sections.file
        file.write_text(file.read_text().replace("token = old", "token = new"))  # as rclone does
        list(backend.list(""))
        assert json.loads(secrets["section"])["token"] == "new"
        file.write_text(file.read_text().replace("token = new", "token = newer"))
    assert json.loads(kept.values[-1]["section"])["token"] == "newer"


def test_a_new_login_is_used_while_the_old_one_still_runs(tmp_path: Path) -> None:
    opened = []
    for number, folder in enumerate(("old", "new")):
        section = json.dumps({"type": "alias", "remote": str(tmp_path / folder)})
        secrets = Secrets({"section": section}, disk="r1", folder=tmp_path / "kept")
        opened.append(RcloneBackend.connect(RcloneOptions(type="alias"), secrets))
        opened[number].prepare()
        put(opened[number], "a", folder.encode())
    for backend in opened:
        backend.close()
    assert {folder: (tmp_path / folder / "webraid" / "a").read_text() for folder in ("old", "new")} == {
        "old": "old",
        "new": "new",
    }


def test_two_disks_may_call_their_remotes_the_same(tmp_path: Path) -> None:
    opened = []
    for name in ("r1", "r2"):
        section = json.dumps({"type": "alias", "remote": str(tmp_path / name)})
        secrets = Secrets({"section": section}, disk=name, folder=tmp_path / "kept")
        opened.append(RcloneBackend.connect(RcloneOptions("mine:"), secrets))
    for backend in opened:
        backend.prepare()
        backend.close()
    assert (tmp_path / "r1" / "webraid").is_dir() and (tmp_path / "r2" / "webraid").is_dir()
