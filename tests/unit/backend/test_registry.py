"""Kinds are found without importing them, and options are read with errors that help."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from webraid.backend.base import Backend
from webraid.backend.memory import Memory
from webraid.backend.registry import check, covered, kinds, load, make_options, meant, options_of
from webraid.errors import ConfigError, PluginMissing

METADATA = "Metadata-Version: 2.1\nName: acme-disks\nVersion: 1.0\nProvides-Extra: attic\nProvides-Extra: cellar\n"
POINTS = """
[webraid.backends]
zz-good = acme_good:Good
attic = acme_attic:Attic
hole = acme_cellar:Cellar [cellar]
bare = acme_bare:Bare
ghost = acme_ghost:Ghost
nothing = acme_good:Nothing
number = acme_good:NUMBER
old = acme_old:Old
"""
GOOD = """
from webraid.backend.memory import Memory
class Good(Memory):
    kind = 'zz-good'
    @classmethod
    def also_called(cls):
        return {'zz-best': 'even better', 'attic': 'has a plug-in of its own'}
    @classmethod
    def called(cls, alias):
        return {'place': alias}
NUMBER = 7
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outsider's distribution on the path, as pip would leave it."""
    info = tmp_path / "acme_disks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "acme_good.py").write_text(GOOD)
    for name in ("attic", "cellar", "bare"):
        (tmp_path / f"acme_{name}.py").write_text("import acme_sdk_nobody_has.client\n")
    (tmp_path / "acme_old.py").write_text("from json import nothing_of_the_kind\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugins")
def test_kinds_are_listed_without_importing_any() -> None:
    assert {"attic", "bare", "ghost", "hole", "zz-good"} <= set(kinds())
    assert kinds() == sorted(kinds())
    assert not [name for name in sys.modules if name.startswith("acme_")]


@pytest.mark.usefixtures("plugins")
def test_a_kind_is_imported_when_it_is_loaded() -> None:
    kind = load("zz-good")
    assert issubclass(kind, Memory)
    assert kind.kind == "zz-good"


@pytest.mark.usefixtures("plugins")
def test_an_unknown_kind_lists_the_known_and_names_the_nearest() -> None:
    with pytest.raises(PluginMissing, match=r"'zz-god'; known: .*attic.*zz-good") as caught:
        load("zz-god")
    assert caught.value.hint == "Did you mean 'zz-good'?"


@pytest.mark.usefixtures("plugins")
def test_a_word_that_is_no_kind_may_be_covered_by_one() -> None:
    assert meant("zz-good") == ("zz-good", {})
    assert meant("zz-best") == ("zz-good", {"place": "zz-best"})
    assert covered()["zz-best"] == ("zz-good", "even better")
    assert "attic" not in covered()
    with pytest.raises(PluginMissing, match="no kind of disk called 'zz-bst'") as caught:
        meant("zz-bst")
    assert caught.value.hint == "Did you mean 'zz-best'?"
    with pytest.raises(PluginMissing):
        load("zz-best")


def test_a_kind_covers_nothing_unless_it_says_so() -> None:
    assert (Memory.also_called(), Memory.called("x")) == ({}, {})


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("attic", "attic needs acme_sdk_nobody_has: pip install 'acme-disks[attic]'"),
        ("hole", "hole needs acme_sdk_nobody_has: pip install 'acme-disks[cellar]'"),
        ("bare", "bare needs acme_sdk_nobody_has: pip install 'acme-disks'"),
    ],
)
def test_a_missing_library_says_what_to_install(kind: str, message: str) -> None:
    with pytest.raises(PluginMissing) as caught:
        load(kind)
    assert str(caught.value) == message
    assert caught.value.hint == message.partition(": ")[2]


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("kind", "message"),
    [("ghost", "acme_ghost of ghost is registered"), ("nothing", "nothing cannot be loaded"),
     ("number", "acme_good:NUMBER is no Backend"), ("old", "old cannot be loaded: cannot import name")],
)  # fmt: skip
def test_a_broken_plugin_is_named(kind: str, message: str) -> None:
    with pytest.raises(PluginMissing, match=message):
        load(kind)


# ------------------------------------------------------------------------------------------------------------ options
class Speed(StrEnum):
    SLOW = "slow"
    FAST = "fast"


@dataclass(frozen=True)
class Options:
    path: Path = field(metadata={"help": "the folder"})
    access_key: str = field(metadata={"help": "who you are", "secret": True}, repr=False)
    bucket: str = ""
    port: int | None = None
    rate: float = 1.0
    tls: bool = True
    style: Literal["path", "virtual"] = "path"
    regions: tuple[str, ...] = field(default_factory=tuple)
    ports: tuple[int, ...] = ()
    speed: Speed = Speed.FAST
    token: str = field(default="", metadata={"secret": True, "file": True, "rare": True}, repr=False)

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("a rate cannot be negative")


class Acme(Memory):
    kind: ClassVar[str] = "acme"

    @classmethod
    def options_type(cls) -> type[Any]:
        return Options


def make(**given: object) -> Any:
    return make_options(Acme, {"path": "/x", **given})[0]


def test_text_from_flags_becomes_typed_values() -> None:
    options, secrets = make_options(
        Acme,
        {"path": "/srv", "access-key": "K", "port": "80", "rate": "2.5", "tls": "No", "style": "virtual",
         "regions": "a, b", "ports": "1,2", "speed": "slow", "bucket": "7"},
    )  # fmt: skip
    assert options == Options(
        path=Path("/srv"), access_key="", bucket="7", port=80, rate=2.5, tls=False, style="virtual",
        regions=("a", "b"), ports=(1, 2), speed=Speed.SLOW,
    )  # fmt: skip
    assert secrets == {"access_key": "K"}


def test_typed_values_from_a_config_file_are_taken_as_they_are() -> None:
    options = make(port=80, rate=2, tls=False, regions=["a"], ports=[1])
    assert (options.port, options.rate, options.tls, options.regions, options.ports) == (80, 2.0, False, ("a",), (1,))
    assert isinstance(options.rate, float)
    assert make(port=None).port is None
    assert make(path=Path("/y")).path == Path("/y")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": "many"}, "option 'port' of acme must be a whole number, not 'many'"),
        ({"port": True}, "option 'port' of acme must be a whole number, not True"),
        ({"port": 1.5}, "must be a whole number, not 1.5"),
        ({"rate": "x"}, "option 'rate' of acme must be a number"),
        ({"tls": "maybe"}, "option 'tls' of acme must be true or false"),
        ({"tls": 1}, "must be true or false"),
        ({"style": "odd"}, "option 'style' of acme must be one of path, virtual, not 'odd'"),
        ({"regions": 7}, "must be a list, each a text, not 7"),
        ({"ports": "1,x"}, "must be a list, each a whole number"),
        ({"speed": "odd"}, "must be one of slow, fast"),
        ({"bucket": 7}, "option 'bucket' of acme must be a text, not 7"),
        ({"path": 7}, "must be a path"),
        ({"rate": -1}, "acme: a rate cannot be negative"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_it_should_be(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**given)
    assert message in str(caught.value)


def test_an_unknown_option_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="acme has no option 'bukket'") as caught:
        make(bukket="x")
    assert caught.value.hint == "Did you mean 'bucket'?"
    with pytest.raises(ConfigError) as caught:
        make(zzz="x")
    assert caught.value.hint.startswith("acme knows: path, access_key, bucket")


def test_one_answer_is_judged_by_itself() -> None:
    check(Acme, "port", "80")
    with pytest.raises(ConfigError, match="'port' of acme must be a whole number"):
        check(Acme, "port", "many")


def test_a_missing_option_is_named_with_its_help() -> None:
    with pytest.raises(ConfigError, match="acme needs the option 'path'") as caught:
        make_options(Acme, {"access_key": "K"})
    assert caught.value.hint == "the folder"


def test_secrets_are_split_off_and_never_shown() -> None:
    options, secrets = make_options(Acme, {"path": "/x", "access_key": "hush-1", "token": "hush-2"})
    assert secrets == {"access_key": "hush-1", "token": "hush-2"}
    assert (options.access_key, options.token) == ("", "")
    assert make_options(Acme, {"path": "/x"})[1] == {}
    with pytest.raises(ConfigError) as caught:
        make(token=["hush-3"])
    assert "hush" not in str(caught.value) + caught.value.hint
    with pytest.raises(ConfigError) as caught:
        make(tokn="hush-4")
    assert "hush" not in str(caught.value) + caught.value.hint


def test_the_wizard_and_the_docs_see_all_options() -> None:
    options = {option.name: option for option in options_of(Acme)}
    assert list(options)[:3] == ["path", "access_key", "bucket"]
    assert (options["path"].required, options["path"].help, options["path"].type) == (True, "the folder", "a path")
    assert (options["access_key"].secret, options["token"].required, options["port"].default) == (True, False, None)
    assert (options["token"].file, options["token"].rare) == (True, True)
    assert (options["path"].file, options["path"].rare) == (False, False)
    assert (options["regions"].default, options["speed"].default) == ((), Speed.FAST)
    assert [option.name for option in options_of(Memory)] == ["place"]
    assert issubclass(Acme, Backend)
