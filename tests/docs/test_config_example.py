"""config.example.toml documents every option that is accepted, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.docs.pages import ROOT
from webraid import config
from webraid.backend.registry import kinds, load, make_options, options_of
from webraid.env import Env
from webraid.errors import ConfigError
from webraid.jobs.base.events import ignore
from webraid.jobs.base.manners import Manners
from webraid.table.local import Database, Local

TEXT = (ROOT / "config.example.toml").read_text()
SECTIONS = config.SECTIONS
COMMON = set(config.COMMON)


def everything() -> str:
    """The file with the options that are commented out switched on."""
    return re.sub(r"^# (?=[a-z_-]+ = )", "", TEXT, flags=re.MULTILINE)


def disk(kind: str) -> dict[str, Any]:
    (found,) = [disk for disk in tomllib.loads(everything())["disk"] if disk["kind"] == kind]
    return dict(found)


def fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    defaults = {item.encode_name: item.default for item in msgspec.structs.fields(kind)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


@pytest.mark.parametrize("text", [TEXT, everything()], ids=["as it is", "with everything switched on"])
def test_it_is_a_config_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(text)
    loaded = config.load(tmp_path / "config.toml", {})
    Manners(loaded, Local(Database(tmp_path / "table.sqlite")), Env(), ignore)  # reads all limits and budgets
    for section in loaded.disks:
        environ = {"BUCKET_ACCESS_KEY": "A", "BUCKET_SECRET_KEY": "S"}
        given = {key: config.expand(v, environ) if isinstance(v, str) else v for key, v in section.options.items()}
        make_options(load(section.kind), given)


def test_its_sections_are_the_ones_that_are_accepted() -> None:
    raw = tomllib.loads(everything())
    assert set(raw) == {"version", "disk", "source", "profile", *SECTIONS}
    for name in config.PROFILED:
        assert f"[{name}]" in TEXT.partition("# A profile:")[2].partition("[profile")[0]
    assert set(raw["source"][0]) == set(fields(config.Source))
    for name, kind in SECTIONS.items():
        assert set(raw[name]) == set(fields(kind)), name


def test_every_kind_of_disk_is_there_with_all_its_options() -> None:
    assert sorted(raw["kind"] for raw in tomllib.loads(TEXT)["disk"]) == kinds()
    for kind in kinds():
        own = {option.name for option in options_of(load(kind))}
        assert set(disk(kind)) - COMMON == own, kind
    assert {"name", "kind"} | {key for kind in kinds() for key in disk(kind)} & COMMON == COMMON


def test_what_is_switched_off_shows_the_default() -> None:
    switched_on = tomllib.loads(TEXT)
    for name, kind in SECTIONS.items():
        raw = tomllib.loads(everything())[name]
        for option in set(raw) - set(switched_on.get(name, {})):
            assert raw[option] == fields(kind)[option], (name, option)
    (source,) = tomllib.loads(everything())["source"]
    for option in set(source) - set(switched_on["source"][0]):
        assert source[option] == fields(config.Source)[option], option
    for kind in kinds():
        active = next(raw for raw in switched_on["disk"] if raw["kind"] == kind)
        for option in options_of(load(kind)):
            if option.name not in active:
                assert disk(kind)[option.name] == option.default, (kind, option.name)


def test_the_environment_variables_it_names_are_the_ones_that_are_read(tmp_path: Path) -> None:
    named = set(re.findall(rf"\bWEBRAID_(?:{'|'.join(SECTIONS).upper()})_[A-Z_]+\b", TEXT))
    variables = {
        f"WEBRAID_{name}_{key}".upper().replace("-", "_"): (name, key)
        for name, kind in SECTIONS.items()
        for key in fields(kind)
    }
    assert named == variables.keys()
    (tmp_path / "config.toml").write_text(TEXT)
    words = {"WEBRAID_SECRETS_STORE": "keyring", "WEBRAID_CHECK_SCRUB": "full", "WEBRAID_NOTIFY_WHEN": "always"}
    words["WEBRAID_SCHEDULE_PROFILE"] = "night"
    flags = {"WEBRAID_SCHEDULE_CATCH_UP": "no", "WEBRAID_SCHEDULE_ON_BATTERY": "yes"}
    loaded = config.load(tmp_path / "config.toml", dict.fromkeys(named, "7") | words | flags)
    read = {
        variable: getattr(getattr(loaded, name), key.replace("-", "_") + "_" * (key == "finally"))
        for variable, (name, key) in variables.items()
    }
    assert {read.pop(variable) for variable in words} == set(words.values())
    assert [read.pop(variable) for variable in flags] == [False, True]
    assert set(read.values()) == {"7", 7, ("7",)}


def test_an_option_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(TEXT.replace("[limits]\n", "[limits]\nfrob = 1\n", 1))
    with pytest.raises(ConfigError, match="frob"):
        config.load(tmp_path / "config.toml", {})
