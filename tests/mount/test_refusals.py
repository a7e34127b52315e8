"""What cannot be mounted on, or with, is refused in words that say what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.mounted import require_fuse
from webraid.errors import ConfigError
from webraid.mount import point
from webraid.mount.point import Options, check

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def fuse() -> None:
    require_fuse()


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    check(tmp_path, Options())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder") as caught:
        check(tmp_path / "none", Options())
    assert caught.value.hint == f"Make it: mkdir -p {tmp_path / 'none'}"


def test_a_file_and_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is no folder"):
        check(tmp_path / "file", Options())
    with pytest.raises(ConfigError, match="is not empty"):
        check(tmp_path, Options())


def test_a_place_where_something_is_mounted_already() -> None:
    with pytest.raises(ConfigError, match="already") as caught:
        check(Path("/proc"), Options())
    assert "fusermount3 -u" in caught.value.hint


def test_a_machine_without_fuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point, "DEVICE", tmp_path / "fuse")
    with pytest.raises(ConfigError, match=r"there is no .*fuse on this machine") as caught:
        check(tmp_path, Options())
    assert "apt install fuse3" in caught.value.hint


def test_only_root_or_a_configured_machine_lets_others_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, conf, folder = tmp_path / "fuse", tmp_path / "fuse.conf", tmp_path / "mount"
    device.touch(0o666)
    folder.mkdir()
    monkeypatch.setattr(point, "DEVICE", device)
    monkeypatch.setattr(point, "FUSE_CONF", conf)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for text in (None, "#user_allow_other\n"):
        if text is not None:
            conf.write_text(text)
        with pytest.raises(ConfigError, match="only root") as caught:
            check(folder, Options(allow_other=True))
        assert "user_allow_other" in caught.value.hint
        check(folder, Options())
    conf.write_text("# a comment\nuser_allow_other\n")
    check(folder, Options(allow_other=True))


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("mfusepy", "raise ImportError('not there')", "pipx install --force '.[all]' in the checkout"),
        ("mfusepy", "raise OSError('Unable to find libfuse')", "apt install fuse3"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_to_install(
    tmp_path: Path, name: str, code: str, hint: str
) -> None:  # fmt: skip
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / f"{name}.py").write_text(code)
    (tmp_path / "mount").mkdir()
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}
    command = [sys.executable, "-m", "webraid", "mount", str(tmp_path / "mount")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
