"""The manual pages: one for each command, with nothing that groff or mandoc stumbles over."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Machine
from tests.programs import program
from webraid.cli.app import tree
from webraid.cli.man import pages
from webraid.cli.roff import Page, escape, render
from webraid.errors import EXIT_CODES


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


def shown(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from shown(below, f"{path}-{name}")


def text_of(page: str) -> str:
    """As a reader sees it, without what fills up the lines."""
    groff = program("groff")
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=200n"],
        input=page,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return " ".join(done.stdout.split())


def test_every_command_has_a_page_with_all_its_options(written: dict[str, str]) -> None:
    commands = dict(shown(tree(), "webraid"))
    assert set(written) == {f"{name}.1" for name in commands}
    for name, command in commands.items():
        page = written[f"{name}.1"].replace("\\-", "-")
        for parameter in command.params:
            if not parameter.hidden and parameter.param_type_name == "option":
                assert parameter.opts[0] in page, (name, parameter.opts)


def test_groff_reads_all_of_them_without_a_warning(written: dict[str, str]) -> None:
    for name, page in written.items():
        assert page.isascii()
        assert text_of(page).startswith(name.removesuffix(".1").upper() + "(1)")


def test_mandoc_has_nothing_to_say(written: dict[str, str], tmp_path: Path) -> None:
    mandoc = program("mandoc")
    files = [str(tmp_path / name) for name in written]
    for file, page in zip(files, written.values(), strict=True):
        Path(file).write_text(page)
    done = subprocess.run([mandoc, "-T", "lint", "-W", "warning", *files], capture_output=True, text=True, timeout=60)
    told = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]  # on purpose
    assert told == []


def test_a_page_says_what_the_help_says(written: dict[str, str]) -> None:
    text = text_of(written["webraid-get.1"])
    assert "webraid-get - get files back" in text
    assert "webraid get latest:photos/2024 -t restored" in text
    assert re.search(r"--target\b.* FOLDER", text)
    assert "SEE ALSO webraid(1)" in text
    top = text_of(written["webraid.1"])
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in top
    assert "WEBRAID_CONFIG" in top
    assert "webraid-put(1)" in top


def test_whatever_a_help_says_is_shown_as_it_is() -> None:
    odd = ".starts with a dot\n'and a quote\nback\\slash -- minus 'x' `y` ^~ \"z\" ü €"
    page = render(Page("webraid odd", odd.split("\n", maxsplit=1)[0], ["webraid odd"], odd), "1")
    text = text_of(page.replace("\\[u00FC]", "ue").replace("\\[u20AC]", "Euro"))
    assert ".starts with a dot 'and a quote back\\slash -- minus 'x' `y` ^~ \"z\" ue Euro" in text
    assert escape("é") == "\\[u00E9]"
    assert escape("--x") == "\\-\\-x"  # a minus that can be copied, no hyphen


def test_the_command_writes_them(machine: Machine, tmp_path: Path, written: dict[str, str]) -> None:
    folder = tmp_path / "man" / "man1"
    run = machine("man", folder, "--json")
    assert run.code == 0
    assert run.document["files"] == sorted(written)
    assert {path.name: path.read_text() for path in folder.iterdir()} == written
    assert re.search(r"\d+ pages in .*man1", machine("man", folder).out)
