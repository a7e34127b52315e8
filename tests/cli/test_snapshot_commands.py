"""snapshots, ls, find, diff, du, tag, cat, get and forget as people and programs use them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PICTURE, Machine
from webraid.pool import open_pool, settings

ZONES = ("UTC", "Pacific/Kiritimati", "America/New_York")


@pytest.fixture(scope="module")
def changed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pool with three snapshots: the folder as it was, changed, and once more."""
    root = tmp_path_factory.mktemp("changed") / "pool"
    move(model, root)
    photos = root / "photos"
    (photos / "2024" / "b.jpg").write_bytes(b"changed")
    (photos / "new.txt").write_text("new")
    (photos / "link").unlink()
    environ = {"WEBRAID_CONFIG": str(root / "config.toml"), "WEBRAID_STATE_DIR": str(root / "state")}
    with open_pool(settings(environ=environ)) as pool:
        pool.put([str(photos)], tags=["second", "weekly"])
        pool.put([str(photos)], tags=["weekly"])
    return root


@pytest.fixture
def three(machine: Machine, changed: Path) -> Machine:
    move(changed, machine.root)
    return machine


def move(model: Path, root: Path) -> None:
    """A copy of a pool, on folders of its own."""
    shutil.copytree(model, root, symlinks=True, dirs_exist_ok=True)
    config = root / "config.toml"
    config.write_text(config.read_text().replace(str(model), str(root)))


def ids(machine: Machine) -> list[str]:
    return [shot["short_id"] for shot in machine("snapshots", "--json").document["snapshots"]]


# ------------------------------------------------------------------------------------------------------------ snapshots
def test_snapshots_are_listed_by_tag_host_path_and_number(three: Machine) -> None:
    first, second, third = ids(three)
    host = three("snapshots", "--json").document["snapshots"][0]["hostname"]

    def listed(*words: object) -> list[str]:
        return [shot["short_id"] for shot in three("snapshots", *map(str, words), "--json").document["snapshots"]]

    assert listed("--tag", "first", "--tag", "second") == [first, second]
    assert listed("--tag", "second,weekly") == [second]
    assert listed("--tag", "weekly", "--host", host) == [second, third]
    assert listed("--host", "elsewhere") == []
    assert listed("--latest", "1") == [first, third]  # the first one is of another folder
    assert listed(first, "latest") == [first, third]
    assert listed("ls") == [first, second, third]
    assert listed("--path", three.root / "photos" / "..") == []
    assert listed("--path", three.root.parent) == []
    assert "There is no such snapshot." in three("snapshots", "--tag", "nothing").out
    assert three("snapshots", "--compact").out.splitlines()[0].split() == ["Snapshot", "Time", "Host", "Tags", "Size"]


def test_snapshots_are_grouped_as_restic_groups_them(three: Machine) -> None:
    first, second, third = ids(three)
    groups = three("snapshots", "--group-by", "tags", "--json").document["groups"]
    assert [(group["group_key"]["tags"], [shot["short_id"] for shot in group["snapshots"]]) for group in groups] == [
        (["first"], [first]), (["second", "weekly"], [second]), (["weekly"], [third]),
    ]  # fmt: skip
    page = three("snapshots", "--group-by", "host,tags").out
    assert page.count("1 snapshot\n") == 3
    assert "tags second, weekly" in page
    assert three("snapshots", "--group-by", "colour").code == 2


# ------------------------------------------------------------------------------------------------------------- looking
def test_ls_goes_as_deep_as_it_is_asked_to(three: Machine) -> None:
    assert three("ls", "latest", "photos/2024").out.splitlines() == ["photos/2024/", "photos/2024/b.jpg"]
    top = three("ls", "latest", "photos").out.splitlines()
    assert "photos/2024/" in top
    assert "photos/2024/b.jpg" not in top
    assert "photos/2024/b.jpg" in three("ls", "latest", "photos", "-R").out.splitlines()
    assert "photos/link" in three("ls", "--tag", "first").out.splitlines()
    assert "photos/link" in three("ls", "latest~2").out.splitlines()
    first, *_ = three("ls", "--tag", "first", "--json").lines
    assert first["tags"] == ["first"]
    refused = three("ls", "--tag", "nothing")
    assert (refused.code, "no snapshot is of that machine, folder or tag" in refused.err) == (1, True)


def test_find_tells_every_snapshot_that_has_it(three: Machine) -> None:
    first, second, third = ids(three)
    run = three("find", "link")
    assert (run.code, run.out.count("photos/link")) == (0, 1)
    assert f"Snapshot {first} of" in run.out
    assert run.out.endswith("\n1 match in 1 snapshot.\n")
    *found, summary = three("find", "B.JPG", "-i", "--json").lines
    assert [(line["snapshot"][:8], line["hits"]) for line in found] == [(third, 1), (second, 1), (first, 1)]
    assert found[0]["matches"][0]["path"] == "/photos/2024/b.jpg"
    assert (summary["hits"], summary["snapshots"]) == (3, 3)
    assert three("find", "*.jpg", "--larger-than", "1MB", "-s", "latest", "-l").out.count("photos/a.jpg") == 1
    assert three("find", "*", "--type", "d", "-s", "latest").out.count("photos") == 2
    assert three("find", "*", "--oldest", "2100-01-01").out == "Nothing matches.\n"
    assert three("find", "new.txt", "--newest", "2100-01-01 12:00", "--tag", "second").out.count("new.txt") == 1
    assert "\\xff\\x1b[31m" in three("find", "odd*").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["find", "*", "--type", "x"], "'x' is no type"),
        (["find", "*", "--oldest", "soon"], "'soon' is no time"),
        (["find", "*", "--larger-than", "big"], "'big' is not a size"),
        (["find", ""], "no pattern"),
        (["diff", "latest", "latest~9"], "no snapshot so far back"),
        (["du", "latest:nowhere"], "nothing of that name"),
        (["tag", "--add", "x", "--set", "y"], "--set replaces all tags"),
        (["tag"], "which tags?"),
        (["tag", "latest", "--add", "x", "--tag", "y"], "cannot stand beside named snapshots"),
        (["forget", "--keep-last", "some"], "'some' is not a number of snapshots"),
        (["forget", "--keep-within", "soon"], "'soon' is no length of time"),
        (["forget", "latest", "--keep-last", "1"], "rules cannot stand beside named snapshots"),
        (["forget", "--keep-last", "1", "--group-by", "x"], "grouped by 'x'"),
        (["forget", "--keep-tag", "nothing"], "keep no snapshot of"),
        (["get", "--overwrite", "perhaps"], "'perhaps' is no way to overwrite"),
        (["get", "--delete"], "--delete needs a target"),
        (["get", "--include", ""], "--include needs a pattern"),
        (["get", "--exclude-file", "nowhere"], "cannot be read"),
        (["get", "--in-place", "-t", "x"], "cannot stand beside -t"),
    ],
)
def test_what_cannot_be_done_is_said_plainly(home: Machine, words: list[str], said: str) -> None:
    run = home(*words)
    assert run.code in (1, 2)
    assert said in run.err
    assert run.out == ""


def test_diff_marks_every_change_as_restic_does(three: Machine) -> None:
    run = three("diff", "latest~2", "latest")
    assert run.out.splitlines()[:3] == ["M    photos/2024/b.jpg", "-    photos/link", "+    photos/new.txt"]
    assert "changed  1 file" in run.out
    *changes, summary = three("diff", "latest~2", "latest", "--json", "--metadata").lines
    marks = {line["path"]: line["modifier"] for line in changes}
    assert (marks["/photos/new.txt"], marks["/photos/2024/b.jpg"], marks["/photos"]) == ("+", "MU", "U")
    assert summary["added"] == {"files": 1, "dirs": 0, "others": 0, "data_blobs": 2, "bytes": 10}
    assert summary["changed_files"] == 1
    assert "hold the same" in three("diff", "latest~1", "latest").out


def test_du_tells_sizes_folder_by_folder(three: Machine) -> None:
    document = three("du", "latest~2", "--depth", "2", "--json").document
    assert [folder["path"] for folder in document["folders"]] == ["/photos", "/photos/2024"]
    assert document["total_size"] == document["folders"][0]["size"] == len(PICTURE) + 256 * 50 + 3
    assert document["total_stored_size"] > len(PICTURE)
    assert "unique_stored_size" not in document
    page = three("du", "latest~2").out
    assert "photos/" in page
    assert "2.4 MiB" in page and "--unique tells" in page
    alone = three("du", "latest~2", "--unique", "--json").document
    assert 0 < alone["unique_uncompressed_size"] < alone["total_uncompressed_size"]
    assert "only here" in three("du", "latest~2", "-u").out


def test_an_older_file_is_written_to_stdout(three: Machine) -> None:
    assert three("cat", "latest:photos/new.txt").out == "new"
    assert three("cat", "latest:photos/2024/b.jpg").out == "changed"
    refused = three("cat", "latest:photos/new.txt", "--tag", "first")
    assert (refused.code, refused.out) == (1, "")


# ----------------------------------------------------------------------------------------------------------------- tag
def test_tags_are_changed_and_told(three: Machine) -> None:
    first, second, third = ids(three)
    run = three("tag", "--add", "keep", "--tag", "weekly", "--json")
    assert run.document["changed_snapshots"] == 2
    assert [(one["short_id"], one["tags"]) for one in run.document["snapshots"]] == [
        (second, ["second", "weekly", "keep"]), (third, ["weekly", "keep"]),
    ]  # fmt: skip
    assert "would be changed" in three("tag", "--set", "", first, "-n").out
    assert "The tags of 1 snapshot were changed." in three("tag", "--set", "", first).out
    assert [shot["tags"] for shot in three("snapshots", first, "--json").document["snapshots"]] == [[]]
    assert three("tag", "--remove", "keep", "-q").out == ""
    assert three("tag", "--remove", "keep").out == "No tags are to be changed.\n"


# -------------------------------------------------------------------------------------------------------------- forget
def test_forget_keeps_what_the_rules_want_and_says_why(three: Machine) -> None:
    first, second, third = ids(three)
    dry = three("forget", "--keep-last", "1", "--keep-tag", "first", "-g", "host", "--dry-run")
    assert "2 to keep, 1 to forget" in dry.out
    assert "1 snapshot would be forgotten." in dry.out
    assert ids(three) == [first, second, third]
    document = three("forget", "--keep-last", "1", "--keep-tag", "first", "-g", "host", "--json").document
    (group,) = document["groups"]
    assert [shot["short_id"] for shot in group["remove"]] == [second]
    assert [shot["short_id"] for shot in group["keep"]] == [third, first]
    assert [(why["snapshot"]["short_id"], why["matches"]) for why in group["reasons"]] == [
        (third, ["last snapshot"]), (first, ["has tags [first]"]),
    ]  # fmt: skip
    assert group["host"]
    assert (group["paths"], group["tags"]) == (None, None)
    assert ids(three) == [first, third]


def test_forget_without_rules_follows_the_config(three: Machine) -> None:
    run = three("forget")
    assert run.code == 0
    assert "No rule was given" in run.out
    assert len(ids(three)) == 3
    environ = {"WEBRAID_RETENTION_KEEP_LAST": "2", "WEBRAID_RETENTION_GROUP_BY": "host"}
    assert three("forget", "-n", "-g", "paths", "--json", **environ).document["removed"] == []
    assert len(three("forget", "-n", "--json", **environ).document["removed"]) == 1
    page = three("forget", "--compact", **environ).out
    assert "Next: webraid prune" in page
    assert len(ids(three)) == 2


def test_named_snapshots_are_forgotten(three: Machine) -> None:
    first, second, third = ids(three)
    assert three("forget", first, "latest~1", "-q").out == ""
    assert ids(three) == [third]
    everything = three("forget", "--keep-tag", "nothing", "--unsafe-allow-remove-all")
    assert everything.code == 0
    assert ids(three) == []
    assert second


def test_forget_and_prune_in_one(three: Machine) -> None:
    run = three("forget", "--keep-last", "1", "--prune", "--json")
    assert len(run.document["removed"]) == 1, (
        "no drill was done yet: prune refuses, and yet it is told what was forgotten"
    )
    assert (run.code, "prune" in run.document) == (1, False)
    assert "drill" in run.complaint["message"]
    assert three("check", "--drill", "2", "-q").code == 0
    run = three("forget", "latest~1", "--prune", "--json")
    assert (run.code, len(run.document["removed"]), run.document["prune"]["command"]) == (0, 1, "prune")
    assert len(ids(three)) == 1
    assert three("forget", "--keep-last", "1", "--prune").out.count("Nothing is to be forgotten.") == 1


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_those_of_this_machine(three: Machine, zone: str, tmp_path: Path) -> None:
    """The zone of TZ counts: two moments of one day in one place are of two days in another."""
    code = (
        "from datetime import UTC, datetime\n"
        "from webraid.jobs.base.retention import Candidate, Policy, decide\n"
        "times = [datetime(2024, 5, 17, 11, tzinfo=UTC), datetime(2024, 5, 17, 3, tzinfo=UTC)]\n"
        "found = [Candidate(b'%d' % n, time) for n, time in enumerate([*times, datetime(2024, 1, 1, tzinfo=UTC)])]\n"
        "print(sum(one.keep for one in decide(found, Policy({'daily': 2}), datetime.astimezone)[:2]))\n"
    )
    environ = {**os.environ, "TZ": zone}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert int(done.stdout) == {"UTC": 1, "Pacific/Kiritimati": 2, "America/New_York": 2}[zone]


# ----------------------------------------------------------------------------------------------------------------- get
def test_get_lists_with_v_what_a_dry_run_would_do(three: Machine) -> None:
    out = three.root / "out"
    assert three("get", "latest~2", "-t", out, "-q").code == 0
    (out / "photos" / "mine").write_text("mine")
    run = three("get", "-t", out, "--overwrite", "if-changed", "--delete", "-n", "-v")
    assert run.code == 0
    lines = {tuple(line.split(maxsplit=1)) for line in run.err.splitlines()}
    assert lines >= {
        ("unchanged", "photos/a.jpg"), ("updated", "photos/2024/b.jpg"), ("restored", "photos/new.txt"),
        ("deleted", "photos/mine"), ("deleted", "photos/link"),
    }  # fmt: skip
    assert "would be written into" in run.out
    *events, document = three("get", "-t", out, "--overwrite", "if-changed", "--delete", "-n", "-v", "--json").lines
    told = {(line["action"], line["item"]) for line in events if line.get("item")}
    assert ("deleted", "photos/mine") in told
    assert (document["dry_run"], document["files_deleted"], document["files_updated"]) == (True, 2, 1)
    assert (out / "photos" / "mine").exists()
    assert three("get", "-t", out, "--overwrite", "if-changed", "--delete", "--verify").code == 0
    assert not (out / "photos" / "mine").exists()
    assert (out / "photos" / "2024" / "b.jpg").read_bytes() == b"changed"


def test_get_takes_patterns_from_flags_and_files(three: Machine) -> None:
    patterns = three.root / "patterns"
    patterns.write_text("# what is not wanted\n*.txt\n2024/\n")
    out = three.root / "out"
    assert three("get", "-t", out, "--exclude-file", patterns, "--iexclude", "ODD*", "-q").code == 0
    assert sorted(path.name for path in (out / "photos").iterdir()) == ["a.jpg"]
    only = three.root / "only"
    assert three("get", "--tag", "first", "-t", only, "-i", "link", "--iinclude", "B.JPG", "-q").code == 0
    assert sorted(str(path.relative_to(only)) for path in only.rglob("*")) == [
        "photos", "photos/2024", "photos/2024/b.jpg", "photos/link",
    ]  # fmt: skip


def test_get_puts_files_back_in_place(three: Machine) -> None:
    photos = three.root / "photos"
    assert three("put", photos, "-q").code == 0
    (photos / "new.txt").write_text("encrypted")
    (photos / "a.jpg").unlink()
    assert three("get", "--in-place").code == 3
    assert (photos / "a.jpg").read_bytes() == PICTURE
    assert (photos / "new.txt").read_text() == "encrypted"
    assert three("get", "--in-place", "--overwrite", "if-changed", "-q").code == 0
    assert (photos / "new.txt").read_text() == "new"


def test_the_documents_are_lines_of_json(three: Machine) -> None:
    for words in (["snapshots"], ["du"], ["diff", "latest", "latest~1"], ["tag", "--add", "x"], ["forget", "latest"]):
        run = three(*words, "--json")
        assert run.code == 0
        assert json.loads(run.out.splitlines()[-1])["command"] == words[0]
        assert run.err == ""
