"""The guide about giving space back, played word for word."""

from __future__ import annotations

from pathlib import Path

from tests.docs.guide import play, script


def test_the_space_guide_works_word_for_word(tmp_path: Path) -> None:
    done = play(script("guide/space.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing is missing\n")
    assert "would be deleted" in done.stdout and "freed in" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"
