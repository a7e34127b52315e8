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

from material import make

from webraid.codec.phrases import new_passphrase
from webraid.env import Env
from webraid.errors import EXIT_ALARM, EXIT_OK, WebRAIDError
from webraid.files.compare import compare_trees
from webraid.lab import Lab, open_lab

WEBRAID = [sys.executable, "-m", "webraid"]
ROOTS = ("odds", "photos", "python")
COLOR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
FASTEST, NEXT, LIAR, WIPED, LAST = "cirrus", "cumulus", "nimbus", "altus", "mist"


class Unequal(Exception):
    """Something is not as it should be: the demo ends here, and failed."""


class Stage:
    """Where the demo runs: a folder, the environment of its commands, and what was proved so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = time.monotonic()
        self.proved: list[str] = []
        self.step = 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEBRAID_", "AWS_"))}
        local = "127.0.0.1,localhost"  # a proxy of the user's must not come between
        self.environ = {**kept, "NO_PROXY": local, "no_proxy": local, "WEBRAID_PASSWORD_FILE": str(folder / "passphrase")}
        self.use("machine")

    def use(self, machine: str) -> None:
        """From now on commands run on this machine: with a config and state of its own."""
        home = self.folder / machine
        home.mkdir()
        self.environ |= {"WEBRAID_CONFIG": str(home / "config.toml"), "WEBRAID_STATE_DIR": str(home / "state")}

    def title(self, text: str, *more: str) -> None:
        self.step += 1
        clock = f"{time.monotonic() - self.started:.0f} s"
        say("", bold(f"{self.step}  {text}") + dim(f"   ({clock})"), *(f"   {line}" for line in more), "")

    def run(self, *words: str, expect: int = EXIT_OK) -> None:
        """One command, shown as one would type it, with its own output."""
        say(bold(f"$ webraid {shlex.join(words)}"))
        code = subprocess.run([*WEBRAID, *words], cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL).returncode
        if code != expect:
            raise Unequal(f"'webraid {words[0]}' ended with exit code {code}, and {expect} was expected")
        if code:
            say(dim(f"exit code {code}, as it should be"))
        say("")

    def compare(self, target: str, when: str) -> None:
        """Every file, byte by byte, and everything a Unix file has besides; then the restored copy is removed."""
        restored = self.folder / target
        found = [f"{root}: {line}" for root in ROOTS for line in compare_trees(self.folder / root, restored / root)]
        extra = sorted(path.name for path in restored.iterdir() if path.name not in ROOTS)
        found += [f"{name}: was never stored" for name in extra]
        if found:
            say(*found[:20])
            raise Unequal(f"{len(found)} differences {when}")
        self.proved.append(when)
        say(good("  equal") + f"  every file, byte by byte, and modes, owners, times, links and holes: {when}")
        shutil.rmtree(restored)


def main() -> int:
    """Play it, clean up whatever happens, and say how it ended."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    with place() as folder:
        stage = Stage(folder)
        try:
            play(stage)
        except (Unequal, WebRAIDError, OSError) as error:
            say("", bad(f"FAILED: {error}"))
            return 1
        except KeyboardInterrupt:
            say("", "Interrupted; the clouds are taken down and everything is removed.")
            return 130
        seconds = time.monotonic() - stage.started
        say("", good("PASSED") + f"  in {seconds:.0f} s.  The same files came back:")
        say(*(f"        - {line}" for line in stage.proved), "")
    return 0


def play(stage: Stage) -> None:
    """The story."""
    store(stage)
    two_die(stage)
    one_lies(stage)
    one_is_wiped(stage)
    empty_machine(stage)


def store(stage: Stage) -> None:
    stage.title("Six clouds, each as slow and as far away as a real one", "Simulated on this machine; nothing leaves it.")
    (stage.folder / "passphrase").write_text(new_passphrase(Env()) + "\n")
    stage.run("init", "--name", "demo", "--level", "raid6", "--kit", "kit.txt")
    stage.run("lab", "up", "--profile", "demo6", "--add")
    files, size = make(stage.folder)
    stage.title(
        "Store real files", f"{files} files, {size / 1e6:.0f} MB: Python's own library, photo-sized noise, and oddities.",
        "raid6 over six: four shards of data, two of parity.",
    )  # fmt: skip
    stage.run("put", *ROOTS)
    stage.run("status")


def two_die(stage: Stage) -> None:
    stage.title("The two fastest clouds die", "Their connections are refused from now on.")
    quietly(stage, lambda lab: (lab.kill(FASTEST), lab.kill(NEXT)), f"lab kill {FASTEST}", f"lab kill {NEXT}")
    stage.run("status")
    stage.run("get", "-t", "with-two-dead")
    stage.compare("with-two-dead", "with two of six clouds dead")
    quietly(stage, lambda lab: (lab.restore(FASTEST), lab.restore(NEXT)), f"lab restore {FASTEST}", f"lab restore {NEXT}")


def one_lies(stage: Stage) -> None:
    stage.title("A cloud lies", "Everything that is fetched from it comes with a flipped bit.")
    quietly(stage, lambda lab: lab.corrupt(LIAR), f"lab corrupt {LIAR}")
    stage.run("get", "-t", "with-a-liar")
    stage.compare("with-a-liar", "with one cloud serving flipped bits")
    say("", "   check names it:", "")
    stage.run("check", expect=EXIT_ALARM)
    say("   The cloud is honest again; what it has is made again from the other five.", "")
    quietly(stage, lambda lab: lab.restore(LIAR), f"lab restore {LIAR}")
    stage.run("repair")
    stage.run("check")


def one_is_wiped(stage: Stage) -> None:
    stage.title("An account is closed", "It can be opened again, but it is empty.")
    quietly(stage, lambda lab: lab.wipe(WIPED), f"lab wipe {WIPED}")
    stage.run("status")
    say("   It takes its seat as a new disk, and its shards are made again.", "")
    stage.run("backend", "rm", WIPED, "--lost")
    stage.run("lab", "up", "--profile", "demo6", "--add")
    stage.run("repair")
    stage.run("status")


def empty_machine(stage: Stage) -> None:
    stage.title("This machine is lost too", "An empty one, the printed recovery code, and the login of one cloud.")
    cloud = lab_of(stage).cloud(LAST)
    kit = (stage.folder / "kit.txt").read_text()
    code = next(line.split()[-1] for line in kit.splitlines() if line.startswith("Recovery code"))
    stage.use("another-machine")
    stage.environ.pop("WEBRAID_PASSWORD_FILE")
    stage.run(
        "recover", "s3", "--endpoint", cloud.endpoint, "--bucket", cloud.bucket, "--access-key", cloud.access_key,
        "--secret-key", cloud.secret_key, "--recovery-code", code,
    )  # fmt: skip
    stage.run("get", "-t", "from-nothing")
    stage.compare("from-nothing", "on an empty machine, with the recovery code and one cloud")
    stage.run("status")


# ------------------------------------------------------------------------------------------------------------- places
@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A folder that is gone at the end, with the lab in it."""
    folder = Path(tempfile.mkdtemp(prefix="webraid-demo-"))
    try:
        yield folder
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
        with contextlib.suppress(WebRAIDError):  # none was started
            open_lab(folder / "machine" / "state" / "lab").destroy()
        shutil.rmtree(folder, ignore_errors=True)


def lab_of(stage: Stage) -> Lab:
    return open_lab(stage.folder / "machine" / "state" / "lab")
