"""What the config says about manners, and that it stays there when a disk's section is written anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from webraid.config import BUDGETS, MANNERS, DiskSection, load, put_disk, write_private
from webraid.errors import ConfigError

HEAD = 'version = 1\n[pool]\nname = "home"\nid = "00"\n'


def config(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(HEAD + text)
    return path


DISK = """
[[disk]]
name = "b2"
kind = "s3"
reserve = "0"
upload = "1 MiB/s"
tps = 0.5
egress-per-month = "3x"
writes-per-day = 2500
bucket = "b"
"""


def test_manners_are_kept_apart_from_the_kinds_own_options(tmp_path: Path) -> None:
    (disk,) = load(config(tmp_path, DISK), {}).disks
    assert disk.manners == {"upload": "1 MiB/s", "tps": 0.5, "egress-per-month": "3x", "writes-per-day": 2500}
    assert disk.options == {"bucket": "b"}
    assert disk.reserve == 0


def test_a_reserve_that_is_not_given_is_not_the_same_as_none(tmp_path: Path) -> None:
    (disk,) = load(config(tmp_path, '[[disk]]\nname = "a"\nkind = "local"\n'), {}).disks
    assert disk.reserve is None


def test_every_budget_is_a_manner() -> None:
    assert len(BUDGETS) == 10
    assert set(BUDGETS) < set(MANNERS)


def test_a_section_that_is_written_anew_keeps_its_manners(tmp_path: Path) -> None:
    path = config(tmp_path, DISK)
    put_disk(path, DiskSection("b2", "s3", "company", options={"bucket": "c"}))
    (disk,) = load(path, {}).disks
    assert (disk.domain, disk.options, disk.reserve) == ("company", {"bucket": "c"}, 0)
    assert disk.manners == {"upload": "1 MiB/s", "tps": 0.5, "egress-per-month": "3x", "writes-per-day": 2500}
    put_disk(path, DiskSection("b2", "s3", "company", reserve=7, manners={"tps": 3, "upload": "off"}))
    (disk,) = load(path, {}).disks
    assert (disk.reserve, disk.manners["tps"], disk.manners["upload"]) == (7, 3, "off")
    assert disk.manners["writes-per-day"] == 2500
    put_disk(path, DiskSection("other", "local", "other"))
    assert load(path, {}).disks[1].manners == {}


def test_the_guard_of_idle_accounts_is_a_duration(tmp_path: Path) -> None:
    assert load(config(tmp_path, ""), {}).idle.every == "7d"
    assert load(config(tmp_path, '[idle]\nevery = "0"\n'), {}).idle.every == "0"
    assert load(config(tmp_path, ""), {"WEBRAID_IDLE_EVERY": "2h"}).idle.every == "2h"
    for wrong in ('[idle]\nevery = "now and then"\n', '[idle]\nnever = "7d"\n'):
        with pytest.raises(ConfigError):
            load(config(tmp_path, wrong), {})


def test_a_private_file_takes_over_no_mode_and_follows_no_link(tmp_path: Path) -> None:
    """What an interrupted run or somebody else left under the temporary name does not count."""
    path, other = tmp_path / "secrets.toml", tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "secrets.toml.new").symlink_to(other)
    write_private(path, "a = 1")
    assert (path.read_text(), other.read_text()) == ("a = 1", "mine")
    (tmp_path / "secrets.toml.new").write_text("")
    (tmp_path / "secrets.toml.new").chmod(0o644)
    write_private(path, "a = 2")
    assert path.stat().st_mode & 0o777 == 0o600
