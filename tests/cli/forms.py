"""Every kind of disk with a real server, and the words that add it unattended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.attic import ROOT
from tests.conformance import servers, servers_sftp, servers_webdav
from tests.conformance.servers import first_line, started


@dataclass
class Form:
    """``words`` behind 'add-backend'; ``flags`` of them that reach the place; ``hidden``: what may be seen nowhere."""

    kind: str
    name: str
    flags: list[str]
    more: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    domain: str = ""

    @property
    def words(self) -> list[str]:
        return ["add-backend", self.kind, self.name, *self.flags, *self.more]


@contextmanager
def fake(name: str, folder: Path) -> Iterator[dict[str, str]]:
    """'python -m tests.fakes.NAME --port 0 --write DIR', and the line that it prints."""
    command = [sys.executable, "-m", f"tests.fakes.{name}", "--port", "0", "--write", str(folder), "--attached"]
    with started(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        told: dict[str, str] = json.loads(first_line(process))
        yield told


@contextmanager
def local(folder: Path) -> Iterator[Form]:
    yield Form("local", "usb", ["--path", str(folder / "usb")], domain="usb")


@contextmanager
def s3(folder: Path) -> Iterator[Form]:
    with servers.moto() as server:
        (folder / "key").write_text(f"{server.secret_key}\n")
        flags = ["--endpoint", server.endpoint, "--bucket", "my-webraid"]
        flags += ["--access-key-env", "KEY_ID", "--secret-key-file", str(folder / "key")]
        yield Form(
            "s3", "b1", flags, environ={"KEY_ID": server.access_key}, hidden=[server.access_key, server.secret_key],
            domain="127.0.0.1",
        )  # fmt: skip


@contextmanager
def rclone(folder: Path) -> Iterator[Form]:
    yield Form("rclone", "r1", ["--remote", f":local:{folder / 'dir'}"], ["--domain", "r1"], domain="r1")


@contextmanager
def webdav(folder: Path) -> Iterator[Form]:
    (folder / "dav").mkdir()
    with servers_webdav.wsgidav(folder / "dav") as server:
        flags = ["--url", f"http://127.0.0.1:{server.port}/", "--user", server.user, "--password-env", "DAV_WORD"]
        environ = {"DAV_WORD": server.password}
        yield Form("webdav", "w1", flags, environ=environ, hidden=[*server.secrets], domain="127.0.0.1")


@contextmanager
def sftp(folder: Path) -> Iterator[Form]:
    with servers_sftp.sftp_asyncssh(folder) as server:
        flags = ["--host", "127.0.0.1", "--port", str(server.port), "--user", server.user]
        flags += ["--key", str(server.keys.folder / "user_key"), "--known-host-key", server.keys.host, "--path", "/x"]
        hidden = [line for line in server.keys.user.splitlines() if not line.startswith("-")]
        yield Form("sftp", "f1", flags, hidden=hidden, domain="127.0.0.1")


@contextmanager
def gdrive(folder: Path) -> Iterator[Form]:
    with fake("drive", folder) as told:
        flags = ["--client-secret-file", told["client_secret_file"], "--token-file", told["token_file"]]
        token = json.loads(Path(told["token_file"]).read_text())["refresh_token"]
        client = json.loads(Path(told["client_secret_file"]).read_text())["installed"]["client_secret"]
        yield Form("gdrive", "g1", [*flags, "--endpoint", told["url"]], hidden=[token, client], domain="google")


@contextmanager
def dropbox(folder: Path) -> Iterator[Form]:
    with fake("dropbox", folder) as told:
        flags = ["--app-key", told["app_key"], "--token-file", told["token_file"], "--endpoint", told["url"]]
        token = json.loads(Path(told["token_file"]).read_text())["refresh_token"]
        yield Form("dropbox", "x1", flags, hidden=[token], domain="dropbox")


KINDS: dict[str, Callable[[Path], AbstractContextManager[Form]]] = {
    form.__name__: form for form in (local, s3, rclone, webdav, sftp, gdrive, dropbox)
}
