"""The command line in this process, on real folders; one pool is made once and copied for every test."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli import attic as kinds
from webraid import pool as api
from webraid.cli.app import main
from webraid.codec.keys import KdfParams

PASSPHRASE = "acid bring copper dawn elbow frost glimpse"
CHEAP = KdfParams(memory_kib=64, passes=1, lanes=1)
DISKS = 4
PICTURE = random.Random(1).randbytes(2_500_000)  # more than two data shards' worth: it takes two disks to read it


@dataclass
class Run:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> dict[str, Any]:
        """The summary, which comes last."""
        assert self.lines[-1]["message_type"] == "summary"
        return self.lines[-1]

    @property
    def complaint(self) -> dict[str, Any]:
        """The last line on stderr with --json."""
        return json.loads(self.err.splitlines()[-1])


@dataclass
class Machine:
    """A config file, a state folder, and what the shell would have exported."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "pw").write_text(PASSPHRASE + "\n")
        self.environ = {
            "WEBRAID_CONFIG": str(self.root / "config.toml"),
            "WEBRAID_STATE_DIR": str(self.root / "state"),
            "WEBRAID_PASSWORD_FILE": str(self.root / "pw"),
        } | self.environ

    def __call__(self, *argv: str | Path, **environ: str) -> Run:
        """Run one command line in this process."""
        self.capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.environ, **environ}.items():
                patch.setenv(name, value)
            code = main([str(word) for word in argv])
        return Run(code, *self.capsys.readouterr())

    def process(self, *argv: str | Path, **more: Any) -> subprocess.Popen[bytes]:
        """Start one in a process of its own."""
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        command = [sys.executable, "-m", "webraid", *map(str, argv)]
        return subprocess.Popen(command, env=os.environ | self.environ, **given)

    def without(self, *names: str) -> Machine:
        """The same machine with less exported."""
        left = {name: value for name, value in self.environ.items() if name not in names}
        other = Machine(self.root, self.capsys, self.patch)
        other.environ = left
        return other


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """main() takes SIGTERM; the test run gets its own back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a command leaves in the folder it runs in is no business of the repository."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An empty machine."""
    return Machine(tmp_path / "machine", capsys, monkeypatch)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raid6 pool on four folders with one snapshot of a little tree."""
    root = tmp_path_factory.mktemp("model")
    environ = {"WEBRAID_CONFIG": str(root / "config.toml"), "WEBRAID_STATE_DIR": str(root / "state")}
    where = api.settings(environ=environ)
    api.init_pool(where, name="home", level="raid6", passphrase=PASSPHRASE, kit=root / "kit.txt", kdf=CHEAP)
    plant(root / "photos")
    with api.open_pool(where) as pool:
        for number in range(1, DISKS + 1):
            pool.add_backend("local", f"d{number}", {"path": str(root / f"d{number}")})
        pool.put([str(root / "photos")], tags=["first"])
    return root


def plant(folder: Path) -> None:
    """A few files, one of them with a name that is neither UTF-8 nor fit for a terminal."""
    (folder / "2024").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(PICTURE)
    (folder / "2024" / "b.jpg").write_bytes(bytes(range(256)) * 50)
    (folder / "link").symlink_to("a.jpg")
    Path(os.fsdecode(os.fsencode(folder) + b"/odd\xff\x1b[31m")).write_text("odd")


@pytest.fixture
def home(machine: Machine, model: Path) -> Machine:
    """A copy of the pool, on folders of its own."""
    shutil.copytree(model, machine.root, symlinks=True, dirs_exist_ok=True)
    config = machine.root / "config.toml"
    config.write_text(config.read_text().replace(str(model), str(machine.root)))
    return machine


@pytest.fixture
def pool(machine: Machine) -> Machine:
    """A pool of its own on three folders, for whoever recovers it: the log knows the folders' true places."""
    root = machine.root
    where = api.settings(environ=machine.environ)
    api.init_pool(where, name="own", level="raid5", passphrase=PASSPHRASE, kit=root / "kit.txt", kdf=CHEAP)
    with api.open_pool(where) as opened:
        for number in range(1, 4):
            opened.add_backend("local", f"d{number}", {"path": str(root / f"d{number}")})
    return machine


@pytest.fixture
def lose(home: Machine) -> Callable[..., None]:
    """Unplug folders."""

    def away(*names: str) -> None:
        for name in names:
            (home.root / name).rename(home.root / f"{name}.gone")

    return away


@pytest.fixture
def attic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kind 'attic' is installed, here and in child processes; gives where a disk would be, opening to 'open-1'."""
    site = kinds.install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", f"{site}:{kinds.ROOT}")
    place = tmp_path / "attic"
    kinds.shut(place, "open-1")
    return place
