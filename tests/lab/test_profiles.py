"""What a lab can be told to be."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from webraid.errors import ConfigError
from webraid.lab import PROFILES, Group, LinkSpec, Profile
from webraid.lab.profiles import find, rate, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10M", 1e7),
        ("10MiB/s", 10 * 2**20),
        ("5 MB/s", 5e6),
        ("500k", 5e5),
        (7, 7.0),
        ("0", None),
        ("off", None),
        (0, None),
    ],
)
def test_rates_are_read_as_people_write_them(text: object, value: float | None) -> None:
    assert rate(text) == value


@pytest.mark.parametrize(("text", "value"), [("80ms", 0.08), ("1.5s", 1.5), ("2", 2.0), (0.25, 0.25)])
def test_times_are_read_as_people_write_them(text: object, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("up", "fast"), ("up", -1), ("up", float("nan")), ("up", []), ("rtt", "1 hour"), ("rtt", None), ("error_rate", 2),
     ("state", "down"), ("check_keys", "perhaps"), ("speed", 1), ("setup", "x")],
)  # fmt: skip
def test_a_wrong_field_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError):
        LinkSpec().changed({name: value})


def test_the_shipped_profiles_are_what_the_figures_are_measured_on() -> None:
    assert list(PROFILES) == ["lab5", "flat6", "tail", "home", "throttle", "fast6", "demo6"]
    lab5 = [(spec.rtt, spec.up, spec.down) for spec in PROFILES["lab5"].clouds.values()]
    rates = ((0.03, 10e6), (0.06, 8e6), (0.09, 6e6), (0.12, 4e6), (0.2, 2e6))
    assert lab5 == [(rtt, speed, speed) for rtt, speed in rates]
    assert list(PROFILES["lab5"].clouds) == ["c1", "c2", "c3", "c4", "c5"]
    assert [(s.rtt, s.up, s.down) for s in PROFILES["flat6"].clouds.values()] == [(0.06, 8e6, 8e6)] * 6
    assert {(s.tail_rate, s.tail_factor) for s in PROFILES["tail"].clouds.values()} == {(0.02, 10.0)}
    assert {s.group for s in PROFILES["home"].clouds.values()} == {"home"}
    assert PROFILES["home"].groups == {"home": Group(up=5e6)}
    assert [s.req_rate for s in PROFILES["throttle"].clouds.values()] == [2, 0, 0, 0, 0, 0]
    assert {(s.up, s.down, s.rtt, s.setup) for s in PROFILES["fast6"].clouds.values()} == {(None, None, 0.0, 0.0)}
    assert sum(spec.up or 0 for spec in PROFILES["demo6"].clouds.values()) <= 40e6


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_profile_comes_back_from_a_file(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(profile.dump()))
    assert Profile.load(path) == find(str(path)) == profile
    assert profile.summary


def test_a_profile_may_be_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps(
            {
                "defaults": {"rtt": "50ms", "service": "10ms"},
                "groups": {"dsl": {"up": "1M"}},
                "clouds": {"a": {"up": "5M"}, "b": {"group": "dsl", "clock": "-20s"}},
            }
        )
    )
    profile = Profile.load(path)
    assert profile.name == "mine"
    assert profile.clouds["a"] == LinkSpec(up=5e6, rtt=0.05, service=0.01)
    assert profile.clouds["b"] == LinkSpec(rtt=0.05, service=0.01, group="dsl", clock=-20.0)
    assert profile.groups == {"dsl": Group(up=1e6)}


@pytest.mark.parametrize(
    "raw",
    ["{", "[]", "{}", '{"clouds": {}}', '{"clouds": []}', '{"clouds": {"A": {}}}', '{"clouds": {"../x": {}}}',
     '{"clouds": {"a": {"group": "none"}}}', '{"clouds": {"a": 1}}', '{"links": {}}',
     '{"clouds": {"a": {}}, "groups": 1}',
     '{"clouds": {"a": {}}, "groups": {"g": {"rate": 1}}}', '{"clouds": {"a": {}}, "defaults": {"colour": 1}}'],
)  # fmt: skip
def test_a_broken_profile_is_refused(raw: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(raw)
    with pytest.raises(ConfigError):
        Profile.load(path)


def test_an_unknown_profile_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no lab profile 'lab9'") as caught:
        find("lab9")
    assert "lab5, flat6, tail" in caught.value.hint
    with pytest.raises(ConfigError, match="cannot read"):
        find(str(tmp_path / "missing.json"))


def test_every_field_and_profile_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lab.md").read_text("utf-8")
    for name in [*PROFILES, *(field.name for field in fields(LinkSpec))]:
        assert f"`{name}`" in page
