"""The bench's own honesty: a wrong answer fails it, memory is the process's own, ratios and tables say what was run."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.contenders import Cp
from bench.corpora import big, compare, library, photos
from bench.local import measure
from bench.process import BenchError, Run, WrongAnswer, run
from bench.report import MIB, Rows, Sample, table


@dataclass
class Liar(Cp):
    """Gives back a file with one bit wrong."""

    name: str = "liar"

    def get(self, source: Path, out: Path) -> tuple[Run, Path]:
        done, where = Cp.get(self, source, out)
        path = where / "big.bin"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return done, where


@dataclass
class Slow(Cp):
    """Notes the order in which it and others are asked."""

    name: str = "other"
    log: list[str] = field(default_factory=list)

    def set_up(self, home: Path) -> None:
        Cp.set_up(self, home)
        self.log.append(self.name)


def test_a_fast_wrong_answer_fails_the_bench(tmp_path: Path) -> None:
    corpus = big(tmp_path / "A", 100_000)
    with pytest.raises(
        WrongAnswer, match="liar gave a wrong answer for one file of 0 MB: 0 files missing, 1 different"
    ):
        measure(Rows(), corpus, [Liar()], tmp_path, rounds=1, dropped=0)


def test_missing_and_invented_files_are_wrong_answers(tmp_path: Path) -> None:
    corpus = photos(tmp_path / "C", 3, 10, 20)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/new").touch()
    with pytest.raises(WrongAnswer, match="3 files missing, 0 different, 1 that were never stored"):
        compare(corpus, tmp_path / "out", "somebody")


def test_contenders_take_turns_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    rows, log = Rows(), list[str]()
    both = [Slow(name="one", log=log), Slow(name="two", log=log)]
    measure(rows, big(tmp_path / "A", 1000), both, tmp_path, rounds=3, dropped=1)
    assert log == ["one", "two", "two", "one", "one", "two", "two", "one"]
    assert {(row.case, row.who): len(row.seconds) for row in rows.all()} == {
        (f"A {case}", who): 3 for case in ("put", "unchanged", "get") for who in ("one", "two")
    }


def test_the_same_corpus_comes_twice(tmp_path: Path) -> None:
    assert big(tmp_path / "1", 2_000_000).digests == big(tmp_path / "2", 2_000_000).digests
    first, second = photos(tmp_path / "3", 60, 10, 90), photos(tmp_path / "4", 60, 10, 90)
    assert first.digests == second.digests
    assert sorted(first.digests)[-1] == "001/img-00059.jpg"
    many = library(tmp_path / "5", 40)
    assert len(many.digests) == 40
    assert many.size > 0


def test_peak_memory_is_the_commands_own_and_not_ours() -> None:
    ballast = bytearray(64 * MIB)
    ballast[::4096] = b"1" * len(ballast[::4096])
    small = run([sys.executable, "-I", "-S", "-c", "pass"])
    large = run([sys.executable, "-I", "-S", "-c", "b = bytearray(80 << 20); b[::4096] = b'1' * len(b[::4096])"])
    assert small.peak < 30 * MIB
    assert 80 * MIB < large.peak < 110 * MIB
    assert len(ballast) == 64 * MIB


def test_a_contender_that_fails_is_told_with_its_own_words() -> None:
    with pytest.raises(BenchError, match=r"ended with code 3:\nno space"):
        run([sys.executable, "-c", "import sys; print('no space', file=sys.stderr); sys.exit(3)"])
    assert run([sys.executable, "-c", "raise SystemExit(3)"], codes=(0, 3)).code == 3
    with pytest.raises(BenchError, match="no-such-program could not be started"):
        run(["/no-such-program"])


def test_medians_ratios_and_percent_of_the_bound_stand_in_the_table() -> None:
    rows = Rows()
    for seconds in (2.0, 9.0, 1.0):
        rows.row("p", "put", "webraid", size=10_000_000, bound=1.5).add(
            Sample(Run(seconds + 1, 1, MIB, 0, b""), seconds)
        )
    rows.row("p", "put", "restic", size=10_000_000).add(Sample(Run(6.0, 1, 2 * MIB, 0, b"")))
    head, _, ours, other = (line.split() for line in table(rows).splitlines())
    assert head[:5] == ["part", "case", "contender", "seconds", "min..max"]
    assert ours == ["p", "put", "webraid", "2.000", "1.00..9.00", "1.00", "5.0", "1.50", "75", "2.00", "1.00", "1"]
    assert other == ["p", "put", "restic", "6.000", "6.00..6.00", "1.7", "1.00", "2"]
