"""Every kind of disk has a page that tells of each of its options; s3's knows every provider; the matrix is true."""

from __future__ import annotations

import re

import pytest

from tests.conformance.kind import Deviation, Kind
from tests.conformance.matrix import main
from tests.conformance.matrix_page import GROUPS, PAGE, RESULTS, Column, columns, hosts, load_results, render
from tests.conformance.subjects import DEVIATIONS, KINDS
from tests.docs.pages import ROOT, table
from webraid.array.writer import SAMPLE
from webraid.backend.conformance import CHECKS
from webraid.backend.health import FAILURES
from webraid.backend.registry import kinds, load, options_of
from webraid_s3.options import PRESETS

FOLDER = ROOT / "docs" / "backends"
NUMBERS = {3: "three", 16: "sixteen"}


def text(kind: str) -> str:
    return (FOLDER / f"{kind}.md").read_text()


def test_every_kind_has_a_page() -> None:
    assert sorted(page.stem for page in FOLDER.glob("*.md") if page.name != "README.md") == kinds()


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
    assert not extra or f"pipx install '.[{extra}]'" in text(kind)


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


# ------------------------------------------------------------------------------------------------------------- matrix
WANTED = "run: make matrix MATRIX_ARGS=--render (a column is '?' until 'make matrix', with MATRIX_ARGS=--deep, runs it)"
LABELS = columns(KINDS)


def matrix() -> dict[str, list[str]]:
    """Check -> its cells, from the page."""
    rows = [row for title, _ in GROUPS for row in table(PAGE.read_text(), f"### {title}")]
    return {row[0].replace(" ", "_"): row[1:] for row in rows}


def test_the_page_of_the_matrix_is_made_of_the_code_and_of_what_was_run() -> None:
    assert PAGE.read_text() == render(load_results(RESULTS)), WANTED


def test_the_matrix_has_a_row_a_check_and_a_column_a_server() -> None:
    rows = matrix()
    assert list(rows) == [check.__name__ for check in CHECKS]
    assert {len(cells) for cells in rows.values()} == {len(LABELS)}
    servers = table(PAGE.read_text(), "## Servers")
    assert [row[1:3] for row in servers] == [[KINDS[name].backend, KINDS[name].server] for name in LABELS]
    assert set(load_results(RESULTS)) <= set(LABELS), WANTED


def test_every_server_that_make_test_brings_was_run_and_nothing_failed() -> None:
    results = load_results(RESULTS)
    for name in LABELS:
        if not KINDS[name].deep:
            assert name in results, f"{name} is not in the matrix: make matrix"
    for name, column in results.items():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", column.date), name
        assert set(column.outcomes.values()) <= {"ok", "without"}, name


def test_what_the_matrix_says_to_be_kept_is_what_the_tests_expect() -> None:
    """What is left out, or deviates, by the code cannot be 'ok' in the page, nor the other way round."""
    results, shown = load_results(RESULTS), hosts(KINDS)
    for label, column in results.items():
        family = [KINDS[name] for name, host in shown.items() if host == label]
        for check in CHECKS:
            ran = [kind for kind in family if check in kind.checks and check.__name__ not in kind.deviates]
            kept = any(check.__name__ not in kind.without for kind in ran)
            assert column.outcomes.get(check.__name__) == (("ok" if kept else "without") if ran else None), label


def test_every_deviation_is_named_with_its_reason() -> None:
    rows = table(PAGE.read_text(), "## Known deviations")
    assert sorted(row[2:] for row in rows) == sorted([one.name, one.reason] for one in DEVIATIONS)
    marks, shown = matrix(), hosts(KINDS)
    for one in DEVIATIONS:
        if one.check:
            mark = marks[one.check][LABELS.index(shown[one.kind])]
            assert any(row[0] == mark and row[2] == one.name for row in rows), one.name


def kind_of(backend: str, server: str, **more: object) -> Kind:
    return Kind(pytest.fail, backend=backend, server=server, **more)  # type: ignore[arg-type]


def test_rows_without_a_server_go_to_the_one_of_the_same_name() -> None:
    kinds = {
        "x-deep": kind_of("x", "1", deep=True), "x-one": kind_of("x", "2"), "x-two": kind_of("x", "3"),
        "x-faults-two": kind_of("", ""), "x-slow": kind_of("", ""), "x-dav": kind_of("", ""),
        "x-dav-all": kind_of("x", "4", deep=True),
    }  # fmt: skip
    assert hosts(kinds) == {
        "x-deep": "x-deep",
        "x-one": "x-one",
        "x-two": "x-two",
        "x-faults-two": "x-two",
        "x-slow": "x-one",
        "x-dav": "x-dav-all",
        "x-dav-all": "x-dav-all",
    }
    with pytest.raises(AssertionError, match="no other y"):
        hosts({**kinds, "y-slow": kind_of("", "")})


def test_a_page_shows_what_was_not_run_what_does_not_apply_and_what_deviates() -> None:
    first, second, third = (check.__name__ for check in CHECKS[:3])
    kinds = {"local-a": kind_of("local", "A", deviates=frozenset({third})), "local-b": kind_of("local", "B")}
    deviations = (Deviation("local-a", "does it badly", pytest.fail, "for a reason", check=third),)
    page = render({"local-a": Column("2026-01-02", {first: "ok", second: "without"})}, kinds, deviations)
    cells = {row[0]: row[1:] for row in table(page, "### The nine promises")}
    assert [cells[name.replace("_", " ")] for name in (first, second, third)] == [["ok", "?"], ["–", "?"], ["a", "?"]]
    assert table(page, "## Servers") == [
        ["1", "local", "A", "`make test`", "2026-01-02"],
        ["2", "local", "B", "`make test`", "not yet"],
    ]
    assert table(page, "## Known deviations") == [["a", "local at A", "does it badly", "for a reason"]]


def test_the_matrix_wants_a_date_and_known_kinds() -> None:
    for wrong in ([], ["--date", "2026-01-02", "--only", "floppy"]):
        with pytest.raises(SystemExit):
            main(wrong)
