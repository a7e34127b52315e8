"""make demo: six simulated clouds, two killed, one lying, one wiped, and an empty machine; every file comes back.

Everything is done by the real command line, in a folder of its own that is removed at the end.  Exit code 0: all was
as it should be.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from material import ROOTS, make

from webraid.codec.phrases import new_passphrase
from webraid.env import Env
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, WebRAIDError
from webraid.files.compare import compare_trees
from webraid.lab import open_lab

WEBRAID = [sys.executable, "-m", "webraid"]
COLOR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
FASTEST, NEXT, LIAR, ROTTEN, WIPED, LAST = "cirrus", "cumulus", "nimbus", "stratus", "altus", "mist"


class Unequal(Exception):
    """Something is not as it should be: the demo ends here, and failed."""


class Stage:
    """Where the demo plays: a folder, the environment of its commands, what was proved so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.what = ""
        self.proved: list[str] = []
        self._started = time.monotonic()
        self._step = 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEBRAID_", "AWS_"))}
        self.environ = {**kept, **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")}  # no proxy comes between
        self.environ["WEBRAID_PASSWORD_FILE"] = str(folder / "passphrase")
        self.use("machine")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def use(self, machine: str) -> None:
        """From now on commands run on this machine: with a config and a state of its own."""
        home = self.folder / machine
        home.mkdir()
        self.environ |= {"WEBRAID_CONFIG": str(home / "config.toml"), "WEBRAID_STATE_DIR": str(home / "state")}

    def title(self, text: str, more: str) -> None:
        self._step += 1
        say(
            "", paint("36;1", f"-- {self._step}. {text} " + "-" * max(0, 74 - len(text))), paint("36", f"   {more}"), ""
        )

    def run(self, *words: str, expect: int = EXIT_OK) -> None:
        """One command, shown as it would be typed, then its own output."""
        say(paint("1", f"$ webraid {shlex.join(words)}"))
        code = subprocess.run(
            [*WEBRAID, *words], cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
        ).returncode  # fmt: skip
        if code != expect:
            raise Unequal(f"'webraid {shlex.join(words)}' ended with exit code {code} instead of {expect}")
        say(*([f"(exit code {code}, as it should be)"] if code else []), "")

    def compare(self, target: str, when: str) -> None:
        """Every file, byte by byte, and whatever else a Unix file has; then the restored copy is removed."""
        restored = self.folder / target
        found = [f"{root}: {line}" for root in ROOTS for line in compare_trees(self.folder / root, restored / root)]
        found += [f"{path.name}: was never stored" for path in restored.iterdir() if path.name not in ROOTS]
        if found:
            say(*found[:20])
            raise Unequal(f"{len(found)} differences {when}")
        self.equal(f"{self.what}, byte by byte, with modes, owners, times, links and holes", when)
        shutil.rmtree(restored)

    def equal(self, what: str, when: str) -> None:
        say(paint("32;1", "EQUAL") + f": {what}", "")
        self.proved += [when] if when else []


def main() -> int:
    """Play it, clean up whatever happens, and say how it ended."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with place() as folder:
        stage = Stage(folder)
        try:
            play(stage)
        except (Unequal, WebRAIDError, OSError) as error:
            say("", paint("31;1", f"FAILED: {error}"))
            return EXIT_ERROR
        except KeyboardInterrupt:
            say("", "Interrupted: the clouds are taken down, everything is removed.")
            return EXIT_INTERRUPTED
        say("", paint("32;1", "PASSED") + f" in {stage.seconds:.0f} s: {stage.what} came back")
        say(*(f"   - {line}" for line in stage.proved), "")
    return EXIT_OK


def play(stage: Stage) -> None:
    """The story."""
    store(stage)
    two_die(stage)
    one_lies(stage)
    one_rots(stage)
    one_is_wiped(stage)
    empty_machine(stage)


def store(stage: Stage) -> None:
    stage.title("Six clouds", "Simulated on this machine, as slow and as far away as real ones.")
    (stage.folder / "passphrase").write_text(new_passphrase(Env()) + "\n")
    stage.run("init", "--name", "demo", "--level", "raid6", "--kit", "kit.txt")
    stage.run("lab", "up", "--profile", "demo6", "--add")
    files, size = make(stage.folder)
    stage.what = f"{files} files, {size / 1e6:.0f} MB"
    stage.title("Real files", f"{stage.what}: Python's own library, photo-sized noise, links, holes, odd names.")
    stage.run("put", *ROOTS)
    stage.run("status")


def two_die(stage: Stage) -> None:
    stage.title("The two fastest clouds die", "From now on they refuse every connection.")
    stage.run("-q", "lab", "kill", FASTEST)
    stage.run("lab", "kill", NEXT)
    stage.run("status")
    stage.run("get", "-t", "with-two-dead")
    stage.compare("with-two-dead", "with two of six clouds dead")
    stage.run("-q", "lab", "restore", FASTEST)
    stage.run("-q", "lab", "restore", NEXT)


def one_lies(stage: Stage) -> None:
    stage.title("A cloud lies", "Whatever is fetched from it has a flipped bit.")
    stage.run("-q", "lab", "corrupt", LIAR)
    stage.run("get", "-t", "with-a-liar")
    stage.compare("with-a-liar", "with a cloud that serves flipped bits")
    stage.run("check", expect=EXIT_ALARM)
    stage.run("-q", "lab", "restore", LIAR)


def one_rots(stage: Stage) -> None:
    stage.title(
        "Another one rots", f"One bit flips in each shard that lies on {ROTTEN}, and the provider does not notice."
    )
    objects = [
        path for path in open_lab(lab_folder(stage.folder)).object_dir(ROTTEN).rglob("shards*") if path.is_file()
    ]
    before = {path: path.read_bytes() for path in objects}
    for path, data in before.items():
        path.write_bytes(flipped(data))
    stage.run("get", "-t", "with-rot")
    stage.compare("with-rot", "with every shard on one cloud damaged")
    stage.run("check", "--read-data", expect=EXIT_ALARM)
    stage.run("repair")
    wrong = [path for path, data in before.items() if path.read_bytes() != data]
    if wrong:
        raise Unequal(f"{len(wrong)} of {len(before)} damaged shards were not made again")
    stage.equal(f"{len(before)} shards on {ROTTEN}, made again from the other clouds", "")


def one_is_wiped(stage: Stage) -> None:
    stage.title("An account is closed", "It is opened again, empty: the cloud joins as a new disk and is filled.")
    stage.run("-q", "lab", "wipe", WIPED)
    stage.run("status")
    stage.run("backend", "rm", WIPED, "--lost", expect=EXIT_DEGRADED)
    stage.run("lab", "up", "--profile", "demo6", "--add")
    stage.run("repair")
    stage.run("status")


def empty_machine(stage: Stage) -> None:
    stage.title("This machine is lost too", "Left: the printed recovery code, and the login of one cloud.")
    cloud = open_lab(lab_folder(stage.folder)).cloud(LAST)
    kit = (stage.folder / "kit.txt").read_text()
    code = next(line.split()[-1] for line in kit.splitlines() if line.startswith("Recovery code"))
    stage.use("another-machine")
    del stage.environ["WEBRAID_PASSWORD_FILE"]
    stage.run(
        "recover", "s3", "--endpoint", cloud.endpoint, "--bucket", cloud.bucket, "--access-key", cloud.access_key,
        "--secret-key", cloud.secret_key, "--recovery-code", code,
    )  # fmt: skip
    stage.run("get", "-t", "from-nothing")
    stage.compare("from-nothing", "on an empty machine")


# ------------------------------------------------------------------------------------------------------------- places
@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A folder that is gone at the end, and the lab in it with it."""
    folder = Path(tempfile.mkdtemp(prefix="webraid-demo-"))
    try:
        yield folder
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
        end_lab(lab_folder(folder))
        shutil.rmtree(folder, ignore_errors=True)


def flipped(data: bytes) -> bytes:
    """The same but for one bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def lab_folder(folder: Path) -> Path:
    return folder / "machine" / "state" / "lab"


def end_lab(folder: Path) -> None:
    """Take the lab down; one that is only just starting is waited for."""
    for _ in range(20):
        if not folder.exists():
            return
        try:
            open_lab(folder).destroy()
        except WebRAIDError:
            time.sleep(0.1)


# ------------------------------------------------------------------------------------------------------------ talking
def paint(codes: str, text: str) -> str:
    return f"\x1b[{codes}m{text}\x1b[0m" if COLOR else text


def say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
