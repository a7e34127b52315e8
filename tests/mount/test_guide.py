"""The guide on mounting, run word for word."""

from __future__ import annotations

from pathlib import Path

from tests.docs.guide import play, script
from tests.mount.mounted import require_fuse


def test_the_guide_works_word_for_word(tmp_path: Path) -> None:
    require_fuse()
    done = play(script("guide/mount.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nthe same\n" in done.stdout
    assert "\nstill the same\n" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"
