"""Every kind of disk has a page that tells of each of its options; s3's knows every provider."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, table
from webraid.array.writer import SAMPLE
from webraid.backend.health import FAILURES
from webraid.backend.registry import kinds, load, options_of
from webraid_s3.options import PRESETS

FOLDER = ROOT / "docs" / "backends"
NUMBERS = {3: "three", 16: "sixteen"}


def text(kind: str) -> str:
    return (FOLDER / f"{kind}.md").read_text()


def test_every_kind_has_a_page() -> None:
    assert sorted(page.stem for page in FOLDER.glob("*.md")) == kinds()


@pytest.mark.parametrize("kind", kinds())
def test_the_page_tells_of_every_option(kind: str) -> None:
    rows = {row[0].strip("`"): row for row in table(text(kind), "## Options")}
    options = {option.name: option for option in options_of(load(kind))}
    assert set(rows) == set(options)
    for name, option in options.items():
        assert ("required" in rows[name][1]) == option.required, name
        assert ("Secret." in rows[name][2]) == option.secret, name


@pytest.mark.parametrize("kind", kinds())
def test_the_page_names_the_extra_that_the_kind_needs(kind: str) -> None:
    extra = load(kind).extra
    assert ("needs no extra library" in text(kind)) == (not extra)
    assert not extra or f"webraid[{extra}]" in text(kind)


def test_the_providers_are_those_of_the_code() -> None:
    rows = {row[0].strip("`"): row[1:] for row in table(text("s3"), "## Providers")}
    assert list(rows) == list(PRESETS)
    for name, preset in PRESETS.items():
        endpoint, region, domain, md5 = rows[name]
        assert endpoint == f"`{preset.endpoint}`" or (not preset.endpoint and not endpoint.startswith("`")), name
        assert region == f"`{preset.region}`" or (not preset.region and "required" in region), name
        assert domain == (f"`{name}`" if preset.company else "the host"), name
        assert md5 == {True: "yes", False: "no", None: "found out"}[preset.etag_is_md5], name


def test_figures_in_the_pages_are_those_of_the_code() -> None:
    assert f"one put in {NUMBERS[SAMPLE]} is read back" in text("s3")
    assert re.search(rf"fails {NUMBERS[FAILURES]}\s+jobs in a row", text("s3"))
