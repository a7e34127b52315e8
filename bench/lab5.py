"""Five uneven simulated clouds, rs:3+2, against what their links allow, and against other tools on the best of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import bounds
from bench.contenders import RcloneCrypt
from bench.corpora import Corpus, compare, random_file
from bench.process import WrongAnswer
from bench.report import Rows, say
from bench.stage import Stage
from webraid.lab import PROFILES, Profile, start

PART = "lab5"
K, M = 3, 2
PIECE = 64 << 10
SMALL, COUNT = 4 << 10, 100
DEGRADED = 20  # the exit code of a put that is not everywhere yet


def bench(
    rows: Rows, folder: Path, *, restic: str | None, rclone: str | None, rounds: int, dropped: int, quick: bool
) -> None:  # fmt: skip
    """The whole part.  ``quick``: a small file, clouds next door, no hang.  Raises WrongAnswer."""
    size, closer = (300_000, 100) if quick else (60_000_000, 1)
    say(f"lab5: rs:{K}+{M}, {size / 1e6:.1f} MB")
    clouds = {name: replace(spec, rtt=spec.rtt / closer) for name, spec in PROFILES[PART].clouds.items()}
    with start(folder / "lab", Profile(PART, clouds)) as lab:
        try:
            stage = Stage(PART, lab, folder, rows, f"rs:{K}+{M}")
            stage.set_up(restic, rclone)
            for number in range(dropped + rounds):
                stage.kept = number >= dropped
                _big_file(stage, number, size, quick)
                _small_files(stage, number)
                _degraded_put(stage, number, size, last=number == dropped + rounds - 1)
        finally:
            lab.destroy()


# -------------------------------------------------------------------------------------------------------------- cases
def _big_file(stage: Stage, number: int, size: int, quick: bool) -> None:
    """Put, get, a range, and get without the fastest cloud: refusing, then silent."""
    links, best = stage.links(), stage.best.name
    file = _file(stage, f"big-{number}", size)
    _put(stage, "put", file, bounds.write_seconds(links, K, file.size))
    _get(stage, "get", file, bounds.read_seconds(links, K, file.size))
    _range(stage, file)
    left = bounds.read_seconds(stage.links(without=best), K, file.size)
    with stage.killed(best):
        _get(stage, "get, fastest killed", file, left, alone=True)
    if not quick:
        with stage.hung(best):
            _get(stage, "get, fastest hangs", file, left, alone=True)
    shutil.rmtree(file.folder)


def _small_files(stage: Stage, number: int) -> None:
    links, case = stage.links(), f"{COUNT} x {SMALL >> 10} KiB"
    folder = stage.fresh(f"small-{number}")
    for file in range(COUNT):
        random_file(folder / f"{file:03}.bin", SMALL, f"small-{number}-{file}")
    small = Corpus("small", case, folder).learn()
    _put(stage, f"put {case}", small, bounds.small_put_seconds(links, M))
    _get(stage, f"get {case}", small, bounds.small_get_seconds(links, M, small.size))
    shutil.rmtree(folder)


def _degraded_put(stage: Stage, number: int, size: int, *, last: bool) -> None:
    """A put while the fastest cloud refuses; afterwards it gets what it missed, on nobody's bill."""
    best = stage.best.name
    file = _file(stage, f"degraded-{number}", size)
    bound = bounds.write_seconds(stage.links(without=best), K, file.size)
    with stage.killed(best):
        _put(stage, "put, fastest killed", file, bound, codes=(0, DEGRADED), alone=True)
    if not last:
        stage.once("put", str(file.folder))
    shutil.rmtree(file.folder)


def _file(stage: Stage, name: str, size: int) -> Corpus:
    """The big file, and a small one that lies in a stripe together with parts of it.  Never seen before."""
    folder = stage.fresh(name)
    random_file(folder / "big.bin", size - PIECE, name)
    random_file(folder / "piece.bin", PIECE, f"{name} piece")
    return Corpus("big", f"a file of {size / 1e6:.1f} MB", folder).learn()


# ------------------------------------------------------------------------------------------------------------- verbs
def _put(
    stage: Stage, case: str, corpus: Corpus, bound: float, *, codes: Sequence[int] = (0,), alone: bool = False
) -> None:  # fmt: skip
    """``alone``: the others have one cloud only, and nothing to show here."""
    done, told = stage.once("put", str(corpus.folder), codes)
    note = f"survives {told['survives']} of {told['promised']}"
    stage.note(case, "webraid", corpus.size, done, bound=bound, told=told, note=note)
    for peer in stage.peers if not alone else ():
        stage.lab.reset_stats()
        stage.note(case, peer.name, corpus.size, peer.put(corpus.folder))


def _get(stage: Stage, case: str, corpus: Corpus, bound: float, *, alone: bool = False) -> None:
    out = stage.absent("out")
    done, told = stage.once("get", str(out))
    compare(corpus, out / corpus.folder.name, "webraid")
    stage.note(case, "webraid", corpus.size, done, bound=bound, told=told)
    for peer in stage.peers if not alone else ():
        out = stage.absent("out")
        stage.lab.reset_stats()
        done, where = peer.get(corpus.folder, out)
        compare(corpus, where, peer.name)
        stage.note(case, peer.name, corpus.size, done)


def _range(stage: Stage, file: Corpus) -> None:
    """64 KiB of what was stored: a file that lies in a stripe with others; for rclone, the middle of the big one."""
    case = f"{PIECE >> 10} KiB range"
    done, told = stage.once("cat", f"latest:{file.folder.name}/piece.bin")
    _same(told["sha256"], file.digests["piece.bin"].hex(), "webraid")
    stage.note(case, "webraid", PIECE, done, bound=bounds.range_seconds(stage.links(), PIECE), told=told)
    for peer in stage.peers:
        if isinstance(peer, RcloneCrypt):
            _rclone_range(stage, peer, case, file.folder)


def _rclone_range(stage: Stage, peer: RcloneCrypt, case: str, folder: Path) -> None:
    middle = (folder / "big.bin").stat().st_size // 2
    with (folder / "big.bin").open("rb") as original:
        original.seek(middle)
        expected = hashlib.sha256(original.read(PIECE)).hexdigest()
    stage.lab.reset_stats()
    done = peer.read(f"{folder.name}/big.bin", middle, PIECE)
    _same(hashlib.sha256(done.stdout).hexdigest(), expected, peer.name)
    stage.note(case, peer.name, PIECE, done)


def _same(found: str, expected: str, who: str) -> None:
    if found != expected:
        raise WrongAnswer(f"{who} gave wrong bytes for a range")
