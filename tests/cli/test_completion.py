"""Completion in real shells, and that no disk is asked for it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.cli.conftest import DISKS, Machine
from webraid.cli import completion
from webraid.cli.app import tree

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
Complete = Callable[[str], list[str]]

BASH = """
source "$1"
shift
for line in "$@"; do
    COMP_LINE="$line"; COMP_POINT=${#line}
    _webraid_completion webraid
    printf '%s\\n' "${COMPREPLY[@]}" ---
done
"""
FISH = """
source $argv[1]
for line in $argv[2..]
    complete -C $line | string replace -r '\\t.*' ''
    echo ---
end
"""
# zsh completes at a terminal only: one is made, and what stands on the line after a tab is read from it
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; autoload -U compinit; compinit -u -D; source '$1'; echo rea''dy"
zpty -r -m shell out '*ready*'
shift
for line in "$@"; do
    zpty -w -n shell "$line"$'\\t'
    zpty -w -n shell $'\\x01echo "<'$'\\x05>"\\n'
    zpty -r -m shell out '*<*>*<*>*'
    print -r -- "$out"
    print -r -- ---
done
"""


@pytest.fixture
def shell(home: Machine, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Run a shell that has loaded the script; for each line what it completes to."""
    command = tmp_path / "bin" / "webraid"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m webraid "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])

    def run(name: str, driver: str, lines: Iterable[str]) -> list[list[str]]:
        script = tmp_path / f"script.{name}"
        script.write_text(home("completion", name).out)
        words = [name, *(["--norc"] if name == "bash" else []), "-c", driver]
        words += [name] if name != "fish" else []
        environ = os.environ | home.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        done = subprocess.run(
            [*words, str(script), *lines], env=environ, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return [part.split("\n") for part in done.stdout.replace("\r", "").split("---\n")[:-1]]

    return run


def found(rows: list[str]) -> list[str]:
    return [row for row in rows if row]


def test_bash_completes_commands_options_and_what_this_machine_knows(
    shell: Callable[..., list[list[str]]], home: Machine
) -> None:  # fmt: skip
    (shot,) = home("snapshots", "--json").document["snapshots"]
    short = shot["short_id"]
    for number in range(1, DISKS + 1):
        (home.root / f"d{number}").rename(home.root / f"gone{number}")  # no disk is asked
    expected = {
        "webraid backend te": ["test"],
        "webraid mount --al": ["--allow-other"],
        "webraid get ": ["latest", short],
        f"webraid get {short[:3]}": [short],
        "webraid cat latest:ph": ["photos"],  # bash takes ':' for a word of its own
        "webraid backend test ": [f"d{number}" for number in range(1, DISKS + 1)],
        "webraid put --level=rs:4+3": ["4+3"],
        "webraid snapshots --tag ": ["first"],
        "webraid put /nothing/of/ours": [],
    }
    rows = shell("bash", BASH, expected)
    assert dict(zip(expected, map(found, rows), strict=True)) == expected


def test_fish_completes_likewise(shell: Callable[..., list[list[str]]], home: Machine) -> None:
    (shot,) = home("snapshots", "--json").document["snapshots"]
    expected = {
        "webraid get ": ["latest", shot["short_id"]],
        "webraid put --level=raid6": ["--level=raid6"],
        "webraid backend test d": [f"d{number}" for number in range(1, DISKS + 1)],
    }
    rows = shell("fish", FISH, expected)
    assert dict(zip(expected, map(found, rows), strict=True)) == expected


def test_zsh_completes_likewise(shell: Callable[..., list[list[str]]]) -> None:
    becomes = {
        "webraid get latest:ph": "webraid get latest:photos",
        "webraid put --level=raid": "webraid put --level=raid",
        "webraid comp": "webraid completion",
    }
    rows = shell("zsh", ZSH, becomes)
    for (line, completed), told in zip(becomes.items(), rows, strict=True):
        assert any(f"<{completed}" in row for row in told), (line, told)


def test_a_long_path_stays_on_the_line_of_its_snapshot(shell: Callable[..., list[list[str]]], home: Machine) -> None:
    deep = home.root / ("a name of forty letters " * 4) / "and one in [red]"
    deep.mkdir(parents=True)
    home("put", deep)
    script = home.root / "answers.sh"
    script.write_text(
        'export _WEBRAID_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS="$2"\n'
        "webraid; echo ---"
    )
    (rows,) = shell("bash", f"source {shlex.quote(str(script))}", ["webraid get "])
    assert [row.partition("\t")[0] for row in found(rows)][0:1] == ["latest"]
    assert len(found(rows)) == 3
    assert "[red]" in rows[1]


def test_nothing_is_completed_and_nothing_complained_of_where_there_is_no_pool(
    shell: Callable[..., list[list[str]]], home: Machine
) -> None:  # fmt: skip
    (home.root / "config.toml").write_text("this is no TOML [")
    shutil.rmtree(home.root / "state")
    rows = shell("bash", BASH, ["webraid get ", "webraid backend test "])
    assert [found(row) for row in rows] == [["latest"], []]
    assert not (home.root / "state").exists()


def test_sources_hosts_and_several_tags(home: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    config = home.root / "config.toml"
    config.write_text(config.read_text() + '\n[[source]]\nname = "pictures"\npaths = ["/srv/pictures"]\n')
    assert completion.source_names("pic") == [("pictures", "/srv/pictures")]
    assert len(completion.host_names("")) == 1
    assert completion.tag_names("x,fi") == [("x,first", "")]
    assert completion.tag_names("y") == []


def test_every_parameter_whose_values_this_machine_knows_completes() -> None:
    """New commands get it without a word: by the name of an option, or what an argument stands for."""
    known = {"--level", "--host", "--tag", "--keep-tag", "--backend"}
    lacking = []

    def look(command: object, path: str) -> None:
        for parameter in command.params:  # type: ignore[attr-defined]
            named = set(parameter.opts) & known or "SNAP" in (parameter.metavar or "")
            if named and parameter._custom_shell_complete is None:
                lacking.append((path, parameter.opts))
        for name, below in getattr(command, "commands", {}).items():
            look(below, f"{path} {name}")

    look(tree(), "webraid")
    assert lacking == []


def test_a_shell_that_is_not_known_is_refused(machine: Machine) -> None:
    run = machine("completion", "tcsh")
    assert (run.code, run.out) == (2, "")
    assert "bash, zsh, fish" in run.err
