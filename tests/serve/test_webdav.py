"""The WebDAV server as clients see it: folders, files, ranges; nothing without a password from elsewhere."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from tests.pool.machine import Home
from webraid.cli.app import main
from webraid.errors import ConfigError
from webraid.pool import Pool
from webraid.serve.webdav import Address, Login, Webdav, check, parse_address

PATIENCE = 60
BIG = 3_000_000
PHOTOS = "/snapshots/latest/photos/"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    home: Home
    source: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root, random = tmp_path_factory.mktemp("world"), Random(4)
    source = root / "photos"
    (source / "a folder").mkdir(parents=True)
    (source / "big.bin").write_bytes(random.randbytes(BIG))
    for number in range(30):
        (source / "a folder" / f"{number} ü&<>.txt").write_bytes(random.randbytes(500 + number))
    Path(os.fsdecode(os.fsencode(source) + b"/odd\xff\x1bname")).write_text("odd")
    (source / "link").symlink_to("big.bin")
    (source / "empty").touch()
    home = Home(root / "home").make("raid6", 6)
    with home.open() as pool:
        pool.put([str(source)], tags=["first"])
    return World(home, source)


@contextmanager
def serving(pool: Pool, login: Login | None = None) -> Iterator[Address]:
    with pool.browse() as browser:
        server = Webdav(browser, Address(port=0), login)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.address
        finally:
            server.stop()
            thread.join(PATIENCE)


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[Address]:
    with world.home.open() as pool, serving(pool) as there:
        yield there


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(address: Address, method: str, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, urllib.request.pathname2url(path), headers=named)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def listed(address: Address, path: str) -> dict[str, ElementTree.Element]:
    answer = ask(address, "PROPFIND", path, Depth="1")
    assert answer.status == 207
    found = {}
    for response in ElementTree.fromstring(answer.body):
        href, name = response.find("{DAV:}href"), response.find(".//{DAV:}displayname")
        assert href is not None
        assert name is not None
        found[name.text or ""] = response
    return found


def test_a_file_and_any_range_of_it(address: Address, world: World) -> None:
    wanted = (world.source / "big.bin").read_bytes()
    with urllib.request.urlopen(f"{address.url}{PHOTOS[1:]}big.bin", timeout=PATIENCE) as answer:
        assert answer.read() == wanted
        assert answer.headers["Content-Length"] == str(BIG)
    for header, part in {"bytes=0-0": wanted[:1], "bytes=1000000-2000000": wanted[1_000_000:2_000_001],
                         "bytes=-7": wanted[-7:], f"bytes={BIG - 3}-": wanted[-3:]}.items():  # fmt: skip
        partial = ask(address, "GET", f"{PHOTOS}big.bin", Range=header)
        assert (partial.status, partial.body) == (206, part)
        assert partial.headers["content-range"].endswith(f"/{BIG}")
    assert ask(address, "GET", f"{PHOTOS}big.bin", Range=f"bytes={BIG}-").status == 416
    assert ask(address, "GET", f"{PHOTOS}empty").body == b""
    head = ask(address, "HEAD", f"{PHOTOS}big.bin")
    assert (head.body, head.headers["content-length"]) == (b"", str(BIG))
    again = ask(address, "GET", f"{PHOTOS}big.bin", If_None_Match=head.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_folders_show_what_webdav_can_show(address: Address, world: World) -> None:
    assert set(listed(address, "/")) - {"", "/"} == {"hosts", "ids", "snapshots", "tags"}
    photos = listed(address, PHOTOS)
    assert set(photos) == {"photos", "a folder", "big.bin", "empty", "odd\\xff\\x1bname"}  # no link, names that XML has
    size = photos["big.bin"].find(".//{DAV:}getcontentlength")
    assert size is not None
    assert size.text == str(BIG)
    assert len(listed(address, f"{PHOTOS}a folder")) == 31
    assert ask(address, "GET", f"{PHOTOS}a folder/3 ü&<>.txt").body == (
        world.source / "a folder" / "3 ü&<>.txt"
    ).read_bytes()  # fmt: skip
    assert ask(address, "GET", f"{PHOTOS}odd\\xff\\x1bname").body == b"odd"
    for missing in ("none", "big.bin/below", "link"):
        assert ask(address, "GET", PHOTOS + missing).status in (400, 404)
    assert b"big.bin" in ask(address, "GET", PHOTOS).body  # for web browsers


def test_a_request_for_everything_at_once_is_refused(address: Address) -> None:
    assert ask(address, "PROPFIND", "/").status == 403
    assert ask(address, "PROPFIND", "/", Depth="infinity").status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "MKCOL", "PROPPATCH", "MOVE", "COPY", "LOCK", "POST"])
def test_nothing_can_be_written(address: Address, method: str) -> None:
    for path in (f"{PHOTOS}big.bin", f"{PHOTOS}new"):
        answer = ask(address, method, path, Destination=f"{address.url}x")
        assert 400 <= answer.status < 500 or answer.status == 501, answer


def test_a_web_page_that_made_its_name_lead_here_is_not_answered(address: Address) -> None:
    for host, code in (("localhost:1", 207), ("[::1]", 207), ("evil.example", 403), ("127.0.0.1.evil.example", 403)):
        assert ask(address, "PROPFIND", "/", Depth="0", Host=host).status == code


@pytest.mark.parametrize("path", ["/ids/../../etc/passwd", "/%2e%2e/etc/passwd", "/ids/%ff%fe", "/ids/%00"])
def test_paths_that_lead_nowhere_are_answered(address: Address, path: str) -> None:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, len(answer.read())) == (404, int(answer.headers["Content-Length"]))


def test_who_has_no_password_is_not_answered(world: World) -> None:
    with world.home.open() as pool, serving(pool, Login("ann", "quite secret")) as address:

        def basic(words: str) -> int:
            told = base64.b64encode(words.encode()).decode()
            return ask(address, "GET", f"{PHOTOS}empty", Authorization=f"Basic {told}").status

        assert ask(address, "GET", f"{PHOTOS}empty").status == 401
        assert [basic("ann:quite secret"), basic("ann:wrong"), basic("ann:"), basic("bob:quite secret")] == [
            200, 401, 401, 401,
        ]  # fmt: skip
        for password, right in (("quite secret", True), ("wrong", False)):
            known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            known.add_password(None, address.url, "ann", password)
            opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(known))
            try:
                with opener.open(f"{address.url}{PHOTOS[1:]}big.bin", timeout=PATIENCE) as answer:
                    assert right
                    assert len(answer.read()) == BIG
            except urllib.error.HTTPError as error:
                with error:
                    assert (right, error.code) == (False, 401)


def test_ten_clients_at_once(address: Address, world: World) -> None:
    wanted, right = (world.source / "big.bin").read_bytes(), list[bool]()
    threads = [
        threading.Thread(target=lambda: right.append(ask(address, "GET", f"{PHOTOS}big.bin").body == wanted))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert right == [True] * 10


def test_what_too_few_disks_have_is_never_half_an_answer(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.home.folder, tmp_path / "home")
    home = Home(tmp_path / "home")
    config = home.folder / "config.toml"
    config.write_text(config.read_text().replace(str(world.home.folder), str(home.folder)))
    for number in (1, 2, 3, 4, 5):
        home.disk(number).rename(tmp_path / f"gone{number}")
    with home.open() as pool, serving(pool) as address:
        answer = ask(address, "GET", f"{PHOTOS}big.bin")
        assert answer.status == 503
        assert re.search(rb"\bd[1-5]\b", answer.body), answer.body  # which of them the stripe lay on is chance


def test_rclone_copies_a_snapshot(address: Address, world: World, tmp_path: Path) -> None:
    rclone = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    assert rclone, "the extra 'rclone' brings it"
    remote = [f":webdav:{PHOTOS}", "--webdav-url", address.url, "--webdav-pacer-min-sleep", "1ms"]
    environ = os.environ | {"RCLONE_CONFIG": os.devnull}
    done = subprocess.run(
        [rclone, "copy", *remote, str(tmp_path / "copy")], env=environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    for path in ("big.bin", "a folder/7 ü&<>.txt", "empty"):
        assert (tmp_path / "copy" / path).read_bytes() == (world.source / path).read_bytes()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)), ("[::1]:0", Address("::1", 0)), (":81", Address("127.0.0.1", 81)),
        ("0.0.0.0:8633", Address("0.0.0.0", 8633)), ("nas.local:1", Address("nas.local", 1)),
    ],
)  # fmt: skip
def test_addresses_as_people_write_them(text: str, found: Address) -> None:
    assert parse_address(text) == found


@pytest.mark.parametrize("text", ["", "80", "127.0.0.1", "::1:80", "host:http", "host:70000", "host:-1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        parse_address(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "nas.local"])
def test_other_machines_are_answered_with_a_password_only(host: str) -> None:
    with pytest.raises(ConfigError, match="no password is asked for") as caught:
        check(Address(host, 80), None)
    assert "--user" in caught.value.hint
    check(Address(host, 80), Login("ann", "secret"))
    for own in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        check(Address(own, 80), None)


def test_a_port_that_is_taken_is_said(world: World, address: Address) -> None:
    with (
        world.home.open() as pool, pool.browse() as browser,
        pytest.raises(ConfigError, match=f"nothing can listen on 127.0.0.1:{address.port}"),
    ):  # fmt: skip
        Webdav(browser, Address(port=address.port))


def test_the_command_serves_until_it_is_told_to_end(world: World, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("quite secret\n")
    command = [sys.executable, "-m", "webraid", "serve", "webdav", "--addr", "127.0.0.1:0", "--user", "ann",
               "--user-password-file", str(tmp_path / "password"), "--json"]  # fmt: skip
    environ = world.home.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            begun = json.loads(process.stdout.readline())
            assert (begun["message_type"], begun["snapshots"], begun["password"]) == ("serving", 1, True)
            host, port = begun["url"].removeprefix("http://").rstrip("/").rsplit(":", 1)
            assert ask(Address(host, int(port)), "GET", PHOTOS).status == 401
            process.send_signal(signal.SIGTERM)
            ended = json.loads(process.stdout.readline())
            assert (ended["message_type"], ended["command"]) == ("summary", "serve webdav")
            assert (process.wait(PATIENCE), process.stderr.read()) == (0, "")
        finally:
            if process.poll() is None:
                process.kill()


def test_a_user_without_a_password_and_a_password_file_without_one_are_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in world.home.environ.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "empty").touch()
    before = signal.getsignal(signal.SIGTERM)
    try:
        for words in (["--user", "ann"], ["--user-password-file", str(tmp_path / "empty")], ["--addr", "0.0.0.0:0"]):
            assert main(["serve", "webdav", *words]) == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert "password" in said.err
    finally:
        signal.signal(signal.SIGTERM, before)
