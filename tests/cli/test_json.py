"""--json: lines that programs can rely on, as docs/reference/json.md tells them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Machine

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text()
TOP = {"message_type", "schema_version", "command"}


def names(value: Any) -> Iterator[str]:
    """All field names in a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner)


def undocumented(document: dict[str, Any]) -> list[str]:
    return [name for name in names(document) if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE]


def test_put_tells_what_restic_tells_and_more(home: Machine) -> None:
    run = home("put", home.root / "photos", "--json")
    document = run.document
    assert (run.code, run.err) == (0, "")
    assert document["schema_version"] == 1
    assert document["files_new"] == 3
    assert document["total_files_processed"] == 3
    assert document["total_bytes_processed"] == sum(
        path.stat().st_size for path in (home.root / "photos").rglob("*") if path.is_file() and not path.is_symlink()
    )
    assert document["redundancy"] == {
        "level": "raid6", "survives": 2, "promised": 2, "disks": 4, "missing_shards": 0
    }  # fmt: skip
    assert [disk["name"] for disk in document["backends"]] == ["d1", "d2", "d3", "d4"]
    assert all(disk["requests"] > 0 for disk in document["backends"])
    assert {line["message_type"] for line in run.lines} <= {"status", "verbose_status", "summary"}


def test_every_document_has_only_fields_that_are_documented(home: Machine, lose: Callable[..., None]) -> None:
    commands: list[list[str | Path]] = [
        ["put", home.root / "photos"], ["get", "-t", home.root / "out"], ["status"], ["check"], ["repair"],
        ["snapshots"], ["backend", "ls"], ["config", "path"], ["config", "check"],
        ["add-backend", "local", "d5", "--path", home.root / "d5"], ["backend", "speed", "d5"],
        ["backend", "login", "d5"], ["config", "secrets", "file"], ["backend", "rm", "d5"],
    ]  # fmt: skip
    for words in commands:
        document = home("--json", *words).document
        assert document.keys() >= TOP
        assert undocumented(document) == []
    lose("d1")
    for words in (["put", home.root / "photos"], ["check"], ["ls"]):
        for line in home("--json", *words).lines:
            assert undocumented(line) == []


@pytest.mark.parametrize("words", [["status"], ["snapshots"], ["backend", "ls"], ["version"], ["config", "show"]])
def test_what_only_asks_writes_one_line_whatever_the_disks_do(
    home: Machine, lose: Callable[..., None], words: list[str]
) -> None:
    lose("d3")
    run = home(*words, "--json")
    assert (len(run.lines), run.err) == (1, "")


def test_status_is_a_stable_document(home: Machine, lose: Callable[..., None]) -> None:
    document = home("status", "--json").document
    assert document["state"] == "online"
    assert document["redundancy"]["survives"] == 2
    assert document["last_snapshot"]["total_files_processed"] == 3
    assert document["verdict"] == "All is well: the pool survives the loss of any 2 of 4 disks."
    lose("d3")
    run = home("status", "--json")
    assert run.code == 0
    assert run.document["state"] == "degraded"
    assert run.document["exit_code"] == 20
    assert {disk["name"]: disk["state"] for disk in run.document["backends"]}["d3"] == "unreachable"


def test_ls_gives_the_snapshot_and_then_every_entry(home: Machine) -> None:
    first, *nodes = home("ls", "--json").lines
    assert first["message_type"] == "snapshot"
    assert first["paths"][0].endswith("/photos")
    by_path = {node["path"]: node for node in nodes}
    assert by_path["/photos/a.jpg"]["size"] == 2_500_000
    assert by_path["/photos/a.jpg"]["type"] == "file"
    assert by_path["/photos/link"]["linktarget"] == "a.jpg"
    assert by_path["/photos/2024"]["permissions"].startswith("d")
    (odd,) = (node for node in nodes if "path_b64" in node)
    assert base64.b64decode(odd["path_b64"]) == b"/photos/odd\xff\x1b[31m"


def test_files_that_cannot_be_read_are_errors_on_stderr(home: Machine) -> None:
    run = home("put", home.root / "photos", home.root / "nowhere", "--json")
    assert run.code == 3
    assert run.document["exit_code"] == 3
    assert run.document["problems"] == [{"item": f"{home.root}/nowhere", "message": "no such file or directory"}]
    assert '"message_type": "error"' in run.err.splitlines()[0]
    assert '"during": "archival"' in run.err.splitlines()[0]
    assert run.complaint == {
        "message_type": "exit_error", "code": 3, "message": "partial: some sources could not be read"
    }  # fmt: skip


def test_a_missing_shard_is_a_line_of_check(home: Machine) -> None:
    shard = next(path for path in sorted((home.root / "d1" / "shards").rglob("*")) if path.is_file())
    shard.unlink()
    run = home("check", "--json")
    assert run.code == 20
    (found,) = (line for line in run.lines if line.get("action") == "shard")
    assert (found["backend"], found["problem"]) == ("d1", "missing")
    assert run.document["backends"][0]["missing"] == 1
    assert len(home("check", "--json", "-q").lines) == 1


def test_an_init_with_json_gives_the_code_only_without_a_kit(machine: Machine) -> None:
    document = machine("init", "--json").document
    assert len(document["recovery_code"]) == 39
    assert undocumented(document) == []
    other = {"WEBRAID_CONFIG": str(machine.root / "2.toml"), "WEBRAID_STATE_DIR": str(machine.root / "2")}
    run = machine("init", "--json", "--kit", machine.root / "kit", **other)
    assert "recovery_code" not in run.document
    assert run.document["kit"] == str(machine.root / "kit")
