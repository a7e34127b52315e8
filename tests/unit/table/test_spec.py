"""docs/spec/table.md says what the code writes: every operation, every field, every column in its order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from webraid.entry import EntryType
from webraid.jobs.base.connection import Connection
from webraid.table import index, tree
from webraid.table.quorum import majority, read_quorum, write_quorum
from webraid.table.records import AnyOp, Body, ChunkAt, RootDir, Snapshot, TablePack

SPEC = Path(__file__).parents[3] / "docs" / "spec"
PAGE = (SPEC / "table.md").read_text()
OPS = {op.__struct_config__.tag: op for op in get_args(AnyOp)}


def section(heading: str) -> str:
    """The text below the heading that names it, up to the next one."""
    match = re.search(rf"^#+ [^\n]*{re.escape(heading)}[^\n]*\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match, heading
    return match[1]


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of tables, heads and rulers too."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def defaults(struct: type[msgspec.Struct]) -> dict[str, bool]:
    """Member -> whether it may be left out."""
    return {field.encode_name: not field.required for field in msgspec.structs.fields(struct)}


def described(text: str) -> dict[str, bool]:
    """The same as the page has it."""
    found = {}
    for cells in rows(text):
        for name in re.findall(r"`(\w+)`", cells[0]) if cells[0].startswith("`") else ():
            found[name] = "default" in cells[1]
    return found


@pytest.mark.parametrize("op", OPS)
def test_every_operation_is_described_with_its_members(op: str) -> None:
    told = described(section(f"`{op}`"))
    expected = defaults(OPS[op])
    snapshot = {name: told.pop(name) for name in defaults(Snapshot) if op == "commit" and name in told}
    assert told == expected
    assert snapshot == (defaults(Snapshot) if op == "commit" else {})


def test_no_operation_is_described_that_does_not_exist() -> None:
    assert set(re.findall(r"`([a-z-]+)`", " ".join(re.findall(r"^### (`.*)$", PAGE, re.MULTILINE)))) == set(OPS)


def test_body_and_connection_are_described_with_their_members() -> None:
    assert described(section("Body of a log record")) == defaults(Body)
    assert described(section("Connections")) == defaults(Connection)


def test_what_a_commit_holds_is_described() -> None:
    text = section("`commit`")
    assert "[" + ", ".join(field for field in ChunkAt.__struct_fields__) + "]" in text
    for struct in (TablePack, RootDir):
        assert all(f"`{field}`" in text for field in struct.__struct_fields__)


def test_the_columns_of_a_segment_stand_in_their_order() -> None:
    told = re.findall(r"^\| (\d+) `(\w+)`", section("Index segments"), re.MULTILINE)
    packs, chunks = index._Packs.__struct_fields__, index._Chunks.__struct_fields__
    assert told == [(str(i), name) for fields in (packs, chunks) for i, name in enumerate(fields)]
    assert index._Segment.__struct_fields__ == ("format", "disks", "packs", "chunks")


def test_the_columns_of_a_leaf_stand_in_their_order() -> None:
    told = [cells for cells in rows(section("Leaf")) if cells[0].isdigit()]
    assert [cells[1] for cells in told] == ["", *tree._Leaf.__struct_fields__]
    assert [int(cells[0]) for cells in told] == list(range(len(told)))
    described_extra = {cells[0].strip("`") for cells in rows(section("Leaf")) if cells[0].startswith("`")}
    assert described_extra == set(tree._Extra.__struct_fields__)
    assert all(f"`{kind.value}`" in told[3][3] for kind in EntryType)
    assert "[" + ", ".join(tree._Child.__struct_fields__) + "]" in section("Inner page")


def test_the_cut_rule_has_the_codes_figures() -> None:
    text = section("Where pages are cut").replace(",", "")
    for figure in (tree.PAGE_MIN, tree.PAGE_MAX, tree.INNER_MIN, tree.INNER_MAX):
        assert str(figure) in text
    assert f"{tree.CUT_MASK.bit_length()} zero bits" in text and f"{tree.INNER_MASK.bit_length()} zero bits" in text
    assert str(index.SEGMENT_CHUNKS) in section("Index segments").replace(",", "")
    assert f"{index.MERGE_ABOVE} or more" in section("Index segments")


def test_the_table_of_quorums_is_right() -> None:
    text = (SPEC / "protocol.md").read_text()
    table = {cells[0]: [int(cell) for cell in cells[1:]] for cells in rows(text) if cells[-1].isdigit()}
    count = table["n"]
    assert table["majority"] == [majority(n) for n in count]
    assert table["R"] == [read_quorum(n) for n in count]
    assert table["W, m = 1"] == [write_quorum(n, 1) for n in count]
    assert table["W, m = 2"] == [write_quorum(n, 2) for n in count]
