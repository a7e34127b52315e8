"""The guide about lost, replaced and emptied disks, played word for word."""

from __future__ import annotations

from pathlib import Path

from tests.docs.guide import play, script


def test_the_guide_works_word_for_word(tmp_path: Path) -> None:
    done = play(script("guide/disks.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("the same\n")
    for said in (
        "Disk d1 is rebuilt", "is a hot spare", "Disk d2 is replaced by d7", "Nothing needs d3 any more",
        "raid6:4 -> rs:2+3",
    ):  # fmt: skip
        assert said in done.stdout, said
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"
