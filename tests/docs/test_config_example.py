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
from webraid.jobs.events import ignore
from webraid.jobs.manners import Manners
from webraid.table.local import Database, Local

TEXT = (ROOT / "config.example.toml").read_text()
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "pool": config.PoolSection,
    "limits": config.Limits,
    "check": config.Check,
    "idle": config.Idle,
    "secrets": config.SecretStore,
}
COMMON = set(config._COMMON)


def everything() -> str:
    """The file with the options that are commented out switched on."""
    return re.sub(r"^# (?=[a-z_-]+ = )", "", TEXT, flags=re.MULTILINE)


def disk(kind: str) -> dict[str, Any]:
    (found,) = [disk for disk in tomllib.loads(everything())["disk"] if disk["kind"] == kind]
    return dict(found)


def fields(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {item.encode_name: item.default for item in msgspec.structs.fields(kind)}


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
    assert set(raw) == {"version", "disk", *SECTIONS}
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
    for kind in kinds():
        active = next(raw for raw in switched_on["disk"] if raw["kind"] == kind)
        for option in options_of(load(kind)):
            if option.name not in active:
                assert disk(kind)[option.name] == option.default, (kind, option.name)


def test_the_environment_variables_it_names_are_the_ones_that_are_read(tmp_path: Path) -> None:
    named = set(re.findall(r"\bWEBRAID_(?:POOL|LIMITS|CHECK|IDLE|SECRETS)_[A-Z]+\b", TEXT))
    assert named == {f"WEBRAID_{name}_{key}".upper() for name, kind in SECTIONS.items() for key in fields(kind)}
    (tmp_path / "config.toml").write_text(TEXT)
    environ = dict.fromkeys(named, "7") | {"WEBRAID_SECRETS_STORE": "keyring"}
    loaded = config.load(tmp_path / "config.toml", environ)
    parts = (loaded.pool, loaded.limits, loaded.check, loaded.idle)
    values = [value for part in parts for value in msgspec.structs.astuple(part)]
    assert loaded.secrets.store == "keyring"
    assert set(values) == {"7", 7.0}


def test_an_option_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(TEXT.replace("[limits]", "[limits]\nfrob = 1"))
    with pytest.raises(ConfigError, match="frob"):
        config.load(tmp_path / "config.toml", {})
