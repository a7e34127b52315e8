"""put, unchanged put and get on local folders: WebRAID at raid6 over six of them, restic, rclone crypt, cp."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.contenders import Contender, Cp, RcloneCrypt, Restic, WebRAID, clear
from bench.corpora import Corpus, big, compare, library, photos
from bench.report import Rows, Sample, say

PART = "local"


def contenders(restic: str | None, rclone: str | None) -> list[Contender]:
    """Those whose programs are here."""
    found: list[Contender] = [WebRAID()]
    if restic is not None:
        found.append(Restic(restic))
    if rclone is not None:
        found.append(RcloneCrypt(rclone))
    return [*found, Cp()]


def corpora(folder: Path, wanted: str, size: int, *, quick: bool) -> list[Callable[[], Corpus]]:
    """What makes the corpora named by their letters, in that order."""
    makers: dict[str, Callable[[], Corpus]] = {
        "A": lambda: big(folder / "A", size),
        "C": lambda: photos(folder / "C", 3, 50_000, 100_000) if quick else photos(folder / "C", 200, 2 << 20, 6 << 20),
        "B": lambda: library(folder / "B", 60 if quick else 15_000),
    }
    return [makers[letter] for letter in dict.fromkeys(wanted)]


def measure(
    rows: Rows, corpus: Corpus, who: Sequence[Contender], folder: Path, *, rounds: int, dropped: int
) -> None:  # fmt: skip
    """All contenders in turn, round by round; each round begins with another one.  Raises WrongAnswer."""
    for number in range(dropped + rounds):
        at = number % len(who)
        for contender in [*who[at:], *who[:at]]:
            found = _cycle(corpus, contender, folder)
            told = ", ".join(f"{case} {sample.run.seconds:.2f} s" for case, sample in found.items())
            say(f"  {corpus.name} round {number}{' (dropped)' if number < dropped else ''}: {contender.name}: {told}")
            if number >= dropped:
                _keep(rows, corpus, contender.name, found)


def _keep(rows: Rows, corpus: Corpus, who: str, found: dict[str, Sample]) -> None:
    for case, sample in found.items():
        size = 0 if case == "unchanged" else corpus.size
        rows.row(PART, f"{corpus.name} {case}", who, size=size).add(sample)


def _cycle(corpus: Corpus, who: Contender, folder: Path) -> dict[str, Sample]:
    """put, put, get in fresh folders, compared, and everything removed again."""
    home, out = folder / "home", folder / "out"
    clear(home)
    shutil.rmtree(out, ignore_errors=True)
    who.set_up(home)
    found = {}
    for case in ("put", "unchanged"):
        os.sync()  # what others have not written yet is not on this one's bill
        run = who.put(corpus.folder)
        found[case] = Sample(run, requests=who.requests(run), stored=who.stored())
    os.sync()
    run, where = who.get(corpus.folder, out)
    found["get"] = Sample(run, requests=who.requests(run))
    compare(corpus, where, who.name)
    clear(home)
    shutil.rmtree(out)
    return found


def bench(
    rows: Rows, folder: Path, *, restic: str | None, rclone: str | None, wanted: str, size: int, rounds: int,
    dropped: int, quick: bool,
) -> None:  # fmt: skip
    """The whole part; each corpus is made, used and removed before the next."""
    who = contenders(restic, rclone)
    for make in corpora(folder / "corpora", wanted, size, quick=quick):
        corpus = make()
        say(f"local, {corpus.name}: {corpus.title}, {corpus.size / 1e6:.0f} MB")
        measure(rows, corpus, who, folder, rounds=rounds, dropped=dropped)
        shutil.rmtree(corpus.folder)
