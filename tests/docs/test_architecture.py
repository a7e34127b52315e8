"""The architecture page: the picture of states is the table, every file is named, the layers are the rules."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.docs.pages import ROOT
from webraid.backend.health import state_diagram

TEXT = (ROOT / "docs" / "architecture.md").read_text()
FILES = re.compile(r"`((?:webraid|backends|jobs|codec|array|table|files|backend|cli)/[\w/]+\.py)`")


def every_file() -> set[str]:
    paths = [*(ROOT / "webraid").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]
    return {path.relative_to(ROOT).as_posix() for path in paths if path.name != "__init__.py"}


def first_line(file: str) -> str:
    """What the file says of itself."""
    text = ast.get_docstring(ast.parse((ROOT / file).read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def test_the_picture_of_states_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{state_diagram()}```\n" in TEXT


def test_every_file_is_told_of_in_the_part_of_its_layer() -> None:
    parts = dict(part.split("\n", 1) for part in TEXT.split("## Every file\n")[1].split("\n### ")[1:])
    for layer, text in parts.items():
        for file in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE):
            assert layer.strip("`") in file or layer == "The top", (layer, file)
    told = re.findall(r"^\| `([^`]+)` \|", TEXT.split("## Every file\n")[1], re.MULTILINE)
    assert len(told) == len(set(told))
    missing, gone = every_file() - set(told), set(told) - every_file()
    rows = "\n".join(f"| `{file}` | {first_line(file)} |" for file in sorted(missing))
    assert not missing and not gone, f"no longer there: {sorted(gone)}; to be told of, for example:\n{rows}"


def test_every_file_that_is_named_exists() -> None:
    files = every_file()
    for named in FILES.findall(TEXT):
        assert {named, f"webraid/{named}"} & files, named


def test_the_layers_are_those_that_import_linter_checks() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["id"] == "layers")
    block = TEXT.split("## Layers\n")[1].split("\n\n    ", 1)[1].split("\n\n")[0]
    order = [layer for line in layers for layer in line.split(" | ")]
    places = [re.search(rf"(?<![\w/]){re.escape(layer)}(?![\w/])", block) for layer in order]
    assert all(places), order
    assert [place.start() for place in places if place] == sorted(place.start() for place in places if place)
