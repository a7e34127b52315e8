"""config check: every value is held against the parser that reads it later, and said to be wrong in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from webraid.cli.config_values import troubles
from webraid.config import load
from webraid.errors import ConfigError
from webraid.jobs.care.check import parse_sample

HEAD = 'version = 1\n[pool]\nname = "home"\nid = "00"\n'
SOURCE = '[[source]]\nname = "p"\npaths = ["/p"]\n'
DISK = '[[disk]]\nname = "d"\nkind = "local"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(HEAD + text)
    return path


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('level = "raid9"', "[pool] level:"),
        ('[limits]\nupload = "fast"', "[limits] upload:"),
        ('[limits]\nmemory = "lots"', "[limits] memory:"),
        ("[limits]\npatience = 0.0", "[limits] patience:"),
        ('[check]\nsample = "nonsense"', "[check] sample:"),
        ('[prune]\nbrake = "200%"', "[prune] brake:"),
        ('[prune]\nrepack = "half"', "[prune] repack:"),
        ('[retention]\nkeep-within-daily = "two weeks"', "[retention] keep-within-daily:"),
        ('[retention]\nkeep-within = "14"', "[retention] keep-within:"),
        ("[retention]\nkeep-daily = -2", "[retention] keep-daily:"),
        ('[retention]\ngroup-by = "weather"', "[retention] group-by:"),
        ('[schedule]\ncron = "0 25 * * *"', "[schedule] cron:"),
        ('[schedule]\njobs = ["put", "prun"]', "[schedule] jobs:"),
        ("[schedule]\nnice = 40", "[schedule] nice:"),
        ("[log]\nkeep = -1", "[log] keep:"),
        ('[notify]\napprise = ["${NOT_SET_HERE}"]', "[notify] apprise:"),
        (SOURCE + 'level = "raid9"', "[[source]] p: level:"),
        (SOURCE + 'exclude = ["[a"]', "[[source]] p: exclude:"),
        (SOURCE + 'iexclude = ["[a"]', "[[source]] p: iexclude:"),
        (SOURCE + 'exclude-if-present = ["a/b"]', "[[source]] p: exclude-if-present:"),
        (SOURCE + 'exclude-larger-than = "big"', "[[source]] p: exclude-larger-than:"),
        (SOURCE + 'exclude-file = ["/nowhere/at/all"]', "[[source]] p: exclude-file:"),
        ('[[source]]\nname = "p"\npaths = ["photos"]', "[[source]] p: paths:"),
        (DISK + 'download = "fast"', "[[disk]] d: download:"),
        (DISK + 'tps = "many"', "[[disk]] d: tps:"),
        (DISK + 'writes-per-day = "many"', "[[disk]] d: writes-per-day:"),
    ],
)
def test_a_wrong_value_is_told_with_its_section_and_key(tmp_path: Path, text: str, where: str) -> None:
    (error,) = troubles(load(written(tmp_path, text), {}), {})
    assert str(error).startswith(where) and error.hint != ConfigError.default_hint


def test_what_is_right_is_said_to_be_so(tmp_path: Path) -> None:
    more = '[retention]\nkeep-daily = -1\nkeep-within = "1y6m"\n' + SOURCE + DISK + 'upload = "1 MiB/s"\ntps = 2\n'
    assert troubles(load(written(tmp_path, more), {}), {}) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[retention]\nkeep-dialy = 7", "unknown option keep-dialy in [retention]; did you mean keep-daily?"),
        ("[retention]\nfoo = 7", "unknown option foo in [retention]"),
        ('[retention]\nkeep-daily = "7"', '[retention]: keep-daily must be a whole number, not "7"'),
        ("[schedule]\njitter = 15", "[schedule]: jitter must be a text in quotes, not 15"),
        ('[schedule]\njobs = "put"', '[schedule]: jobs must be a list of texts, such as ["one", "two"], not "put"'),
        ("[schedule]\njobs = [1]", '[schedule]: jobs must be a list of texts, such as ["one", "two"], not [1]'),
        ("[schedule]\ncatch-up = 1", "[schedule]: catch-up must be true or false, not 1"),
        ('[notify]\nwhen = "now"', '[notify]: when must be one of "failure", "change", "always", not "now"'),
        ("[scheduel]\nnice = 1", "unknown section [scheduel]; did you mean schedule?"),
        ('[[source]]\nname = "p"', "[[source]] p: paths is missing"),
        (SOURCE + 'exclud = ["a"]', "unknown option exclud in [[source]] p; did you mean exclude?"),
        ('[source]\nname = "p"', "write [[source]] in double brackets: there may be several"),
        (DISK + 'capacity = "big"', "[[disk]] d: capacity: 'big' is not a size"),
    ],
)
def test_keys_and_types_are_told_in_plain_words(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value) in (f"{path}: {said}", said)


def test_a_variable_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WEBRAID_SCHEDULE_NICE must be a whole number, not 'very'"):
        load(written(tmp_path, ""), {"WEBRAID_SCHEDULE_NICE": "very"})


def test_long_times_are_hinted_in_days(tmp_path: Path) -> None:
    for text, days in (('[prune]\ntrash = "a week"', True), ('[schedule]\njitter = "soon"', False)):
        with pytest.raises(ConfigError) as caught:
            load(written(tmp_path, text), {})
        assert ("7d" in caught.value.hint) == days


def test_a_sample_that_is_none_is_no_surprise_later() -> None:
    with pytest.raises(ConfigError, match="sample"):
        parse_sample("nonsense")
