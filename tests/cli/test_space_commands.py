"""prune and stats as people and programs use them."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PICTURE, Machine


@pytest.fixture
def wasteful(pool: Machine) -> Machine:
    """The pool with two snapshots, of which the newer one was forgotten."""
    (pool.root / "letter").write_text("dear all\n" * 1000)
    assert pool("put", pool.root / "letter").code == 0
    (pool.root / "film").write_bytes(PICTURE[::-1])
    assert pool("put", pool.root / "film").code == 0
    assert pool("forget", "latest").code == 0
    return pool


def test_a_dry_run_tells_what_would_go_and_changes_nothing(wasteful: Machine) -> None:
    told = wasteful("prune", "-n", "--now", "--json")
    assert told.code == 0
    assert told.document["dry_run"] and told.document["freed"] > 1.4 * len(PICTURE)
    assert sum(disk["freed"] for disk in told.document["disks"]) == told.document["freed"]
    assert told.document["deleted"]["bytes"] + told.document["moved"]["bytes"] == told.document["freed"]
    page = wasteful("prune", "--dry-run", "--now")
    assert "nothing is changed by a dry run" in page.out and "Would be freed" in page.out
    assert wasteful("prune", "-n", "--now", "--json").document["freed"] == told.document["freed"]


def test_deleting_at_once_needs_a_yes_and_the_passphrase(wasteful: Machine) -> None:
    refused = wasteful("prune", "--now")
    assert refused.code == 2 and "--yes" in refused.err
    assert "This would go:" in refused.out and "dry run" not in refused.out
    alone = wasteful.without("WEBRAID_PASSWORD_FILE")
    assert alone("prune", "--now", "--yes").code == 12
    (wasteful.root / "wrong").write_text("something else entirely\n")
    assert alone("prune", "--now", "--yes", "-p", wasteful.root / "wrong").code == 12
    done = wasteful("prune", "--now", "--yes", "--json")
    assert done.code == 0 and done.document["freed"] > 0 and done.document["deleted"]["objects"] >= 3
    assert "nothing to delete" in wasteful("prune", "--now", "--yes").out or wasteful("prune", "--owner").code == 0
    assert wasteful("check", "--read-data").code == 0


def test_what_is_held_is_told_with_the_way_on(wasteful: Machine) -> None:
    held = wasteful("prune")
    assert held.code == 1 and "--drill 5; or" in held.err and "webraid prune --owner" in held.err
    agreed = wasteful("prune", "--owner", "--json")
    assert agreed.code == 0 and agreed.document["condemned"]["packs"] >= 1
    assert agreed.document["deleted"]["packs"] == 0
    waiting = wasteful("prune", "--owner")
    assert waiting.code == 0 and "in the trash" in waiting.out


@pytest.mark.parametrize("words", [("--max-unused", "many"), ("--max-repack-size", "much")])
def test_figures_that_are_none_are_refused(pool: Machine, words: tuple[str, str]) -> None:
    assert pool("prune", "-n", *words).code == 2


def test_a_share_in_the_config_that_is_none_is_named(wasteful: Machine) -> None:
    said = wasteful("prune", "--owner", WEBRAID_PRUNE_REPACK="half")
    assert said.code == 2 and "[prune] repack" in said.err


def test_stats_tell_what_is_stored_and_what_prune_would_free(wasteful: Machine) -> None:
    wasteful("prune", "--owner")
    document = wasteful("stats", "--json").document
    assert document["mode"] == "restore-size" and document["snapshots_count"] == 1
    assert document["pool"]["condemned"] == document["pool"]["free_later"] > 0 == document["pool"]["free_now"]
    assert sum(disk["stored"] for disk in document["disks"]) == document["pool"]["stored"]
    raw = wasteful("stats", "latest", "--mode", "raw-data", "--json").document
    assert raw["total_uncompressed_size"] >= raw["total_size"] * 0.99 and raw["total_blob_count"] >= 1
    contents = wasteful("stats", "--mode", "files-by-contents", "--json").document
    assert 0 < contents["total_size"] <= document["total_size"]
    assert "prune frees later" in wasteful("stats").out
    assert wasteful("stats", "--mode", "other").code == 2
