"""The contenders on local folders: WebRAID, restic, rclone crypt, and plain cp as the reference."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.corpora import files
from bench.process import Run, environment, run
from webraid.codec.keys import KdfParams
from webraid.pool import init_pool, open_pool, settings

PASSPHRASE = "correct horse battery staple winter"
QUICK = KdfParams(memory_kib=1024, passes=1, lanes=1)  # opening the key slot is no part of any figure


class Contender(Protocol):
    """``set_up`` is not measured; ``home`` is an empty folder of its own.  ``put`` stores a folder, a second one finds
    it unchanged; ``get`` restores below ``out`` and says where."""

    name: str

    def set_up(self, home: Path) -> None: ...

    def put(self, source: Path) -> Run: ...

    def get(self, source: Path, out: Path) -> tuple[Run, Path]: ...

    def stored(self) -> int:
        """Bytes on all disks."""
        ...

    def requests(self, done: Run) -> int | None:
        """How many requests that run sent to its disks; None where the tool does not tell."""
        ...


def size_of(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in files(folder))


@dataclass
class Cp:
    """No encryption, no check, no parity, no fsync: what the file system takes at least."""

    name: str = "cp -a"
    home: Path = Path()

    def set_up(self, home: Path) -> None:
        self.home = home

    def put(self, source: Path) -> Run:
        return run(["cp", "-au", str(source), str(self.home)])

    def get(self, source: Path, out: Path) -> tuple[Run, Path]:
        out.mkdir()
        return run(["cp", "-a", str(self.home / source.name), str(out)]), out / source.name

    def stored(self) -> int:
        return size_of(self.home)

    def requests(self, done: Run) -> None:
        return None


@dataclass
class Restic:
    """A repository in one folder (or wherever ``repository`` says), with a cache of its own."""

    program: str
    name: str = "restic"
    home: Path = Path()
    env: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)

    def set_up(self, home: Path) -> None:
        self.connect(home, str(home / "repository"))

    def connect(self, home: Path, repository: str, *options: str, **more: str) -> None:
        """Make the repository."""
        self.home, self.options = home, [*options, "--quiet"]
        cache = str(home / "cache")
        self.env = environment(RESTIC_REPOSITORY=repository, RESTIC_PASSWORD=PASSPHRASE, RESTIC_CACHE_DIR=cache, **more)
        run([self.program, *self.options, "init"], env=self.env)

    def put(self, source: Path) -> Run:
        return run([self.program, *self.options, "backup", source.name], env=self.env, cwd=source.parent)

    def get(self, source: Path, out: Path) -> tuple[Run, Path]:
        command = [self.program, *self.options, "restore", "latest", "--target", str(out)]
        return run(command, env=self.env), out / source.name

    def stored(self) -> int:
        return size_of(self.home / "repository")

    def requests(self, done: Run) -> None:
        return None


@dataclass
class RcloneCrypt:
    """'rclone copy' through a crypt remote over a folder, or over whatever ``base`` describes."""

    program: str
    name: str = "rclone crypt"
    home: Path = Path()
    env: dict[str, str] = field(default_factory=dict)

    def set_up(self, home: Path) -> None:
        self.connect(home, {"type": "alias", "remote": str(home / "store")})

    def connect(self, home: Path, base: dict[str, str]) -> None:
        """``base``: the options of the remote below the crypt."""
        self.home = home
        hidden = subprocess.run(
            [self.program, "obscure", PASSPHRASE], capture_output=True, text=True, check=True, env=environment()
        ).stdout.strip()
        prefix = base.pop("prefix", "")
        crypt = {"type": "crypt", "remote": f"base:{prefix}", "password": hidden}
        sections = {"base": base, "safe": crypt}
        text = [f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in items.items()) for name, items in sections.items()]
        (home / "rclone.conf").write_text("\n".join(text), "utf-8")
        self.env = environment(RCLONE_CONFIG=str(home / "rclone.conf"))

    def put(self, source: Path) -> Run:
        return run([self.program, "copy", str(source), f"safe:{source.name}"], env=self.env)

    def get(self, source: Path, out: Path) -> tuple[Run, Path]:
        return run([self.program, "copy", f"safe:{source.name}", str(out)], env=self.env), out

    def read(self, path: str, offset: int, size: int) -> Run:
        """Part of a file, on stdout."""
        return run([self.program, "cat", "--offset", str(offset), "--count", str(size), f"safe:{path}"], env=self.env)

    def stored(self) -> int:
        return size_of(self.home / "store")

    def requests(self, done: Run) -> None:
        return None


@dataclass
class WebRAID:
    """The command line, over ``disks`` folders."""

    level: str = "raid6"
    disks: int = 6
    name: str = "webraid"
    home: Path = Path()
    env: dict[str, str] = field(default_factory=dict)

    def set_up(self, home: Path) -> None:
        self.home = home
        self.env = environment(WEBRAID_CONFIG=str(home / "config.toml"), WEBRAID_STATE_DIR=str(home / "state"))
        where = settings(environ=self.env)
        init_pool(where, name="bench", level=self.level, passphrase=PASSPHRASE, kdf=QUICK)
        with open_pool(where) as pool:
            for number in range(1, self.disks + 1):
                pool.add_backend("local", f"d{number}", {"path": str(home / f"disks/d{number}")})

    def command(self, *words: str) -> Run:
        """A command of the command line, with --json."""
        return run([sys.executable, "-m", "webraid", *words, "--json"], env=self.env, cwd=self.home)

    def put(self, source: Path) -> Run:
        return self.command("put", str(source))

    def get(self, source: Path, out: Path) -> tuple[Run, Path]:
        return self.command("get", "latest", "-t", str(out)), out / source.name

    def stored(self) -> int:
        return size_of(self.home / "disks")

    def requests(self, done: Run) -> int:
        summary: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return sum(int(disk["requests"]) for disk in summary["backends"])


def clear(folder: Path) -> None:
    """An empty folder, whatever was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
