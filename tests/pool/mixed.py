"""A pool on seven kinds of disk at once: a folder, S3, Drive, Dropbox, rclone, WebDAV, SFTP; each can be killed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import pytest

from tests.conformance import servers, servers_sftp, servers_webdav
from tests.fakes.drive import FakeDrive, fake_drive
from tests.fakes.dropbox import FakeDropbox, fake_dropbox
from tests.pool.gate import Gate, gate
from tests.pool.machine import PASSPHRASE, QUICK, Home
from webraid.backend.metered import Count
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import DiskBytes, DiskNotice, Notice
from webraid.pool import Pool, init_pool, open_pool

STORM = 120  # requests to one disk in a job that has about ten shards and as many records for it
NAMES = ("folder", "bucket", "drive", "dropbox", "rclone", "dav", "sftp")
# Each dying disk is waited for, so the fast run takes two pairs of each kind; the deep one takes all.
RING = {frozenset(pair) for pair in zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True)}
PAIRS = [
    pytest.param(pair, id="-".join(pair), marks=() if frozenset(pair) in RING else pytest.mark.deep)
    for pair in combinations(NAMES, 2)
]


@dataclass
class Mixed:
    """The pool and what is behind each disk.  ``requests``: what the last job sent to each disk."""

    home: Home
    drive: FakeDrive
    dropbox: FakeDropbox
    gates: Mapping[str, Gate]
    folders: Mapping[str, Path]
    requests: dict[str, Count] = field(default_factory=dict)

    def kill(self, name: str) -> None:
        """Gone in the middle of what it does: the connection cut, or the folder pulled away."""
        if name in self.gates:
            self.gates[name].cut()
        else:
            folder = self.folders[name]
            folder.rename(folder.with_name(f"{name}.gone"))
            folder.write_text("a file where the folder was: nobody makes it anew")

    def revive(self, name: str) -> None:
        if name in self.gates:
            self.gates[name].state = "open"
        else:
            folder = self.folders[name]
            folder.unlink()
            folder.with_name(f"{name}.gone").rename(folder)

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        for name in names:
            self.kill(name)
        try:
            yield
        finally:
            for name in names:
                self.revive(name)

    @contextmanager
    def pool(self, on_bytes: Callable[[], None] | None = None) -> Iterator[Pool]:
        """The pool, opened.  ``on_bytes``: called once, when the first shard has been sent or has come."""
        settings, left = self.home.settings, [on_bytes] if on_bytes else []

        def listen(event: object) -> None:
            self.home.events.append(event)
            if isinstance(event, DiskBytes) and left:
                with contextlib.suppress(IndexError):  # two disks' threads may come at once
                    left.pop()()

        self.home.events.clear()
        settings.on_event = listen
        with open_pool(settings) as pool:
            try:
                yield pool
            finally:
                self.requests = {disk.name: disk.meter.total() for disk in pool._ctx.disks.values()}

    def put(self, tree: Path, on_bytes: Callable[[], None] | None = None) -> int:
        """Its exit code; what it said is in the home's events."""
        with self.pool(on_bytes) as pool:
            return pool.put([str(tree)]).exit_code

    def said(self) -> list[object]:
        """What the last job told besides its progress."""
        return [event for event in self.home.events if isinstance(event, DiskNotice | Notice)]

    def get(self, tree: Path, out: Path, on_bytes: Callable[[], None] | None = None) -> tuple[int, list[str]]:
        """Exit code, and how what came back differs from ``tree``."""
        with self.pool(on_bytes) as pool:
            code = pool.get(to=out).exit_code
        return code, compare_trees(tree, out / tree.name)


def calm(counts: Mapping[str, Count]) -> None:
    """Nobody was asked again and again."""
    storms = {name: count.requests for name, count in counts.items() if count.requests > STORM}
    assert not storms, storms


def plant(folder: Path, size: int = 6 << 20) -> Path:
    """Files that do not compress, together about ``size`` bytes."""
    folder.mkdir(parents=True)
    for number, part in enumerate((size // 2, size // 4, size // 5, 70_000, 1)):
        (folder / f"file {number}").write_bytes(os.urandom(part))
    return folder


@contextmanager
def mixed(root: Path) -> Iterator[Mixed]:
    """All servers and a raid6 pool over them."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        for name in ("served", "shared", "sftp-home"):
            (root / name).mkdir(parents=True)
        s3, drive, dropbox = enter(servers.moto()), enter(fake_drive()), enter(fake_dropbox())
        dav = enter(servers_webdav.wsgidav(root / "served"))
        sftp = enter(servers_sftp.sftp_asyncssh(root / "sftp-home"))
        gates = {
            name: enter(gate(port))
            for name, port in {
                "bucket": s3.port, "drive": drive.port, "dropbox": dropbox.port, "dav": dav.port, "sftp": sftp.port,
            }.items()
        }  # fmt: skip
        drive.store.quota, dropbox.store.quota = 15 << 30, 2 << 30
        folders = {name: root / "shared" / name for name in ("folder", "rclone")}
        home = Home(root / "home")
        init_pool(home.settings, name="home", level="raid6", passphrase=PASSPHRASE, kdf=QUICK)
        at = {name: f"http://127.0.0.1:{made.port}" for name, made in gates.items()}
        client = drive.client_json().replace(drive.url, at["drive"])
        options: dict[str, tuple[str, dict[str, object]]] = {
            "folder": ("local", {"path": str(folders["folder"])}),
            "bucket": ("s3", {
                "endpoint": at["bucket"], "bucket": "mixed", "access_key": s3.access_key, "secret_key": s3.secret_key,
            }),
            "drive": ("gdrive", {
                "endpoint": at["drive"], "client_secret": client, "token": drive.token_json(),
            }),
            "dropbox": ("dropbox", {
                "endpoint": at["dropbox"], "app_key": dropbox.app_key, "token": dropbox.token_json(),
            }),
            "rclone": ("rclone", {"remote": f":local:{folders['rclone']}"}),
            "dav": ("webdav", {"url": f"{at['dav']}/backup/", "user": dav.user, "password": dav.password}),
            "sftp": ("sftp", {
                "host": "127.0.0.1", "port": gates["sftp"].port, "user": sftp.user, "path": sftp.path,
                "known_host_key": sftp.keys.host, "key": sftp.keys.user,
            }),
        }  # fmt: skip
        with home.open() as pool:
            for name, (kind, given) in options.items():
                pool.add_backend(kind, name, given, domain=name)
        yield Mixed(home, drive, dropbox, gates, folders)
