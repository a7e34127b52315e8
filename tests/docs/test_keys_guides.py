"""The guides about keys and lost machines, played word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.guide import play, script


@pytest.mark.parametrize("page", ["keys", "losing-the-laptop"])
def test_the_guide_works_word_for_word(page: str, tmp_path: Path) -> None:
    done = play(script(f"guide/{page}.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"
    assert "was removed from the pool" in done.stderr
