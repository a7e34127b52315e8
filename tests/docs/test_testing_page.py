"""The page about the tests knows every folder of them, and every target of make."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, table

TEXT = (ROOT / "docs" / "testing.md").read_text()


def test_every_folder_of_tests_is_told_of() -> None:
    folders = {
        path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").glob("*/**/*") if path.suffix in (".py", ".json")
    }
    told = {row[0].strip("`").removeprefix("tests/").rstrip("/") for row in table(TEXT, "## What lies where")}
    assert folders <= told
    assert {name for name in told if name.endswith(".py")} == {path.name for path in (ROOT / "tests").glob("test_*.py")}


def test_the_commands_of_make_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", "docs/testing.md"):
        named = set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named and named <= targets, page
