"""Levels: what users type, and what it becomes."""

from __future__ import annotations

import pytest

from webraid.codec.levels import parse_level
from webraid.errors import ConfigError, NotEnoughDisks
from webraid.model import Code, Geometry

TABLE = [
    ("raid0", 1, Geometry(Code.NONE, 1, 1)),
    ("raid0", 6, Geometry(Code.NONE, 6, 6)),
    ("raid1", 3, Geometry(Code.COPIES, 1, 3)),
    ("raid1:2", 6, Geometry(Code.COPIES, 1, 2)),
    ("raid4", 3, Geometry(Code.XOR, 2, 3, rotates=False)),
    ("raid4", 6, Geometry(Code.XOR, 5, 6, rotates=False)),
    ("raid5", 3, Geometry(Code.XOR, 2, 3)),
    ("raid5:4", 6, Geometry(Code.XOR, 3, 4)),
    ("raid6", 4, Geometry(Code.RS, 2, 4)),
    ("raid6:5", 9, Geometry(Code.RS, 3, 5)),
    ("rs:10+4", 20, Geometry(Code.RS, 10, 14)),
    ("rs:4+1", 5, Geometry(Code.XOR, 4, 5)),
    ("rs:1+3", 4, Geometry(Code.RS, 1, 4)),
]


@pytest.mark.parametrize(("text", "disks", "geometry"), TABLE)
def test_a_level_over_so_many_disks_is_the_geometry_of_the_table(text: str, disks: int, geometry: Geometry) -> None:
    spec = parse_level(text)
    assert spec.geometry(disks) == geometry
    assert spec.losses(disks) == geometry.n - geometry.k
    assert str(spec) == text
    assert parse_level(str(spec)) == spec


def test_case_and_blanks_do_not_matter() -> None:
    assert parse_level(" RAID6:5 ") == parse_level("raid6:5")


@pytest.mark.parametrize(
    ("text", "disks", "needs"),
    [("raid0", 0, 1), ("raid1", 1, 2), ("raid1:3", 2, 3), ("raid4", 2, 3), ("raid5", 2, 3), ("raid5:5", 4, 5),
     ("raid6", 3, 4), ("raid6:6", 5, 6), ("rs:4+2", 5, 6)],
)  # fmt: skip
def test_too_few_disks_are_told_with_what_is_missing(text: str, disks: int, needs: int) -> None:
    spec = parse_level(text)
    with pytest.raises(NotEnoughDisks, match=f"needs {needs} disks") as caught:
        spec.geometry(disks)
    assert f"Add {needs - disks} more" in caught.value.hint
    assert spec.geometry(needs).n == needs


@pytest.mark.parametrize(
    ("text", "message"),
    [("raid2", "not offered"), ("raid3", "not offered"), ("raid7", "no level"), ("raid10", "no level"),
     ("", "not a level"), ("raid", "not a level"), ("rs", "not a level"), ("rs:4", "not a level"),
     ("raid5:", "not a level"), ("raid5:-3", "not a level"),
     ("rs:4+0", "at least one"), ("rs:0+4", "at least one"), ("rs:200+56", "at most 255"),
     ("raid0:3", "takes no number"), ("raid4:5", "takes no number"), ("raid1:1", "from 2 to 255"),
     ("raid5:2", "from 3 to 255"), ("raid6:3", "from 4 to 255"), ("raid6:256", "from 4 to 255")],
)  # fmt: skip
def test_what_is_no_level_is_told_why(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_level(text)


def test_raid2_and_raid3_are_refused_with_the_reason() -> None:
    for text, reason in (("raid2", "Hamming"), ("raid3", "single bytes")):
        with pytest.raises(ConfigError) as caught:
            parse_level(text)
        assert reason in caught.value.hint
        assert "raid6" in caught.value.hint


def test_more_disks_than_a_stripe_has_shards_ask_for_a_width() -> None:
    assert parse_level("raid6").geometry(255).n == 255
    with pytest.raises(ConfigError, match="at most 255"):
        parse_level("raid6").geometry(256)
    assert parse_level("raid6:8").geometry(300).n == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [("raid0", "survives the loss of no disk"), ("raid1:3", "3 copies, survives the loss of any 2 disks"),
     ("raid5", "any 5 of 6 shards give the data back, survives the loss of any one disk, stores 1.20"),
     ("raid6", "any 4 of 6 shards give the data back, survives the loss of any 2 disks, stores 1.50")],
)  # fmt: skip
def test_a_level_explains_itself_in_one_line(text: str, says: str) -> None:
    line = parse_level(text).explain(6)
    assert says in line
    assert "\n" not in line
