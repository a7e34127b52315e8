"""The commands end to end: what they do, what they print, how they end."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import DISKS, PICTURE, Machine


def same(left: Path, right: Path) -> bool:
    found = filecmp.dircmp(left, right)
    return not (found.left_only or found.right_only or found.diff_files) and all(
        same(left / name, right / name) for name in found.common_dirs
    )


def test_the_forms_of_the_manual_work_unattended(machine: Machine, tmp_path: Path) -> None:
    root = machine.root
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content")
    made = machine("init", "--name", "home", "--level", "raid6", "--kit", root / "kit.txt")
    assert made.code == 0
    assert "kit.txt" in made.out
    assert "Recovery code" in (root / "kit.txt").read_text()
    code = (root / "kit.txt").read_text().partition("Recovery code")[2].split()[0]
    assert code not in made.out + made.err
    for number in range(1, 5):
        run = machine("add-backend", "local", f"d{number}", "--path", root / f"d{number}", "--capacity", "1GiB")
        assert run.code == 0
    assert "survives the loss of any 2 of 4 disks" in run.out
    assert machine("put", tmp_path / "tree", "--tag", "T").code == 0
    assert machine("get", "-t", tmp_path / "out").code == 0
    assert same(tmp_path / "tree", tmp_path / "out" / "tree")
    assert machine("cat", "latest:tree/file").out == "content"
    assert machine("check").code == 0
    for name, extra in (("by code", ["--recovery-code", code]), ("by passphrase", [])):
        other = machine.without("WEBRAID_PASSWORD_FILE") if extra else machine
        there = {"WEBRAID_CONFIG": str(tmp_path / name / "c.toml"), "WEBRAID_STATE_DIR": str(tmp_path / name / "s")}
        run = other("recover", "local", "--path", root / "d3", *extra, **there)
        assert run.code == 0
        assert "is back on this machine" in run.out
        assert other("cat", "tree/file", **there).out == "content"


def test_the_whole_way_in_processes_of_its_own(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")

    def run(*argv: str | Path) -> str:
        done = machine.process(*argv)
        out, err = done.communicate(timeout=60)
        assert (done.returncode, err) == (0, b"")
        return out.decode()

    run("init", "--level", "raid1", "--kit", machine.root / "kit.txt")
    run("add-backend", "local", "d1", "--path", machine.root / "d1")
    run("add-backend", "local", "d2", "--path", machine.root / "d2")
    assert "survives the loss of any one of 2 disks" in run("put", tmp_path / "file").lower()
    assert run("cat", "latest:file") == "content"


def test_an_init_without_kit_prints_the_code(machine: Machine) -> None:
    run = machine("init")
    assert run.code == 0
    assert "Recovery code" in run.out


def test_put_says_what_it_did_and_what_may_be_lost(home: Machine) -> None:
    assert "3 new" in home("put", home.root / "photos").out  # this machine has not read them yet
    (home.root / "photos" / "new").write_text("new")
    run = home("put", home.root / "photos")
    assert run.code == 0
    assert "1 new, 0 changed, 3 unmodified; 2 folders, 1 other" in run.out
    assert "Survives the loss of any 2 of 4 disks." in run.out
    assert run.err == ""
    assert [line for line in run.out.splitlines() if line.startswith("d1 ")]


def test_put_with_disks_away_ends_with_20_and_says_what_to_do(home: Machine, lose: Callable[..., None]) -> None:
    lose("d4")
    (home.root / "photos" / "new").write_text("new")
    run = home("put", home.root / "photos")
    assert run.code == 20
    assert "not 2 as raid6 promises" in run.out
    assert "Next: Bring d4 back" in run.out
    assert "d4: does not answer" in run.err


def test_raid0_says_at_every_put_that_nothing_may_be_lost(home: Machine) -> None:
    for number in range(2):
        (home.root / "photos" / "new").write_text(f"number {number}" * 1000)
        run = home("put", home.root / "photos" / "new", "--level", "raid0")
        assert run.code == 0
        assert "Survives the loss of no disk." in run.out


def test_put_with_an_unreadable_path_ends_with_3(home: Machine) -> None:
    run = home("put", home.root / "photos", home.root / "nowhere")
    assert run.code == 3
    assert f"{home.root}/nowhere: no such file or directory" in run.err
    assert "1 file is not stored as it should be" in run.out


def test_quiet_says_nothing_when_all_is_well(home: Machine) -> None:
    for words in (["put", home.root / "photos"], ["get", "-t", home.root / "out"], ["repair"]):
        run = home("-q", *words)
        assert (run.code, run.out, run.err) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "there", "away"),
    [
        ([], "photos/2024/b.jpg", ""),
        (["latest"], "photos/a.jpg", ""),
        (["latest:photos"], "2024/b.jpg", "photos"),
        (["latest:photos/a.jpg"], "a.jpg", "2024"),
        (["photos/2024"], "photos/2024/b.jpg", "photos/a.jpg"),
        (["latest", "photos/a.jpg"], "photos/a.jpg", "photos/2024"),
    ],
)
def test_get_takes_a_snapshot_a_folder_in_it_or_paths(home: Machine, words: list[str], there: str, away: str) -> None:
    out = home.root / "out"
    assert home("get", *words, "-t", out).code == 0
    assert (out / there).exists()
    assert not away or not (out / away).exists()


def test_get_without_a_target_makes_a_folder_named_after_the_snapshot(
    home: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short = home("snapshots", "--json").document["snapshots"][0]["short_id"]
    assert home("get", short).code == 0
    assert (tmp_path / f"webraid-restore-{short}" / "photos" / "a.jpg").exists()


def test_get_leaves_what_is_there_unless_told_otherwise(home: Machine) -> None:
    out = home.root / "out"
    (out / "photos").mkdir(parents=True)
    (out / "photos" / "a.jpg").write_text("mine")
    run = home("get", "-t", out)
    assert run.code == 3
    assert (out / "photos" / "a.jpg").read_text() == "mine"
    assert "photos/a.jpg: it exists already" in run.err
    assert "--overwrite" in run.err
    assert home("get", "-t", out, "--overwrite", "always").code == 0
    assert (out / "photos" / "a.jpg").read_bytes() == PICTURE


def test_get_with_too_few_disks_ends_with_21_and_names_the_files(home: Machine, lose: Callable[..., None]) -> None:
    lose("d1", "d2", "d3")
    run = home("get", "-t", home.root / "out")
    assert run.code == 21
    assert "photos/a.jpg" in run.err
    assert "unreadable" in run.out


def test_the_second_names_do_the_same(home: Machine) -> None:
    assert home("backup", home.root / "photos").code == 0
    assert home("restore", "-t", home.root / "out").code == 0
    assert home("dump", "latest:photos/odd").code == 1
    assert home("backend", "add", "local", "d5", "--path", home.root / "d5").code == 0


def test_ls_shows_odd_names_safely(home: Machine) -> None:
    plain = home("ls").out
    assert "photos/odd\\xff\\x1b[31m\n" in plain
    assert "photos/2024/\n" in plain
    assert "\x1b" not in plain
    long = home("ls", "-l", "latest:photos", "link").out
    assert long.startswith("l")
    assert long.endswith("photos/link -> a.jpg\n")


def test_snapshots_are_filtered_by_tag_and_host(home: Machine) -> None:
    assert home("put", home.root / "photos", "--tag", "second,third").code == 0
    assert len(home("snapshots", "--json").document["snapshots"]) == 2
    assert home("snapshots", "--json", "--tag", "third").document["snapshots"][0]["tags"] == ["second", "third"]
    assert "first" in home("snapshots", "--tag", "first").out
    assert "There is no such snapshot." in home("snapshots", "--host", "elsewhere").out


def test_status_says_the_verdict_first(home: Machine, lose: Callable[..., None]) -> None:
    assert home("status").out.startswith("All is well: the pool survives the loss of any 2 of 4 disks.\n")
    lose("d2")
    run = home("status")
    assert run.code == 0
    assert run.out.startswith("DEGRADED: everything can be read; one further disk may be lost (raid6 promises 2)")
    assert "Next: Bring d2 back" in run.out
    assert run.err == ""
    assert home("status", "--exit-code").code == 20
    lose("d1", "d3")
    run = home("status", "--exit-code")
    assert run.code == 21
    assert run.out.startswith("FAILED")


def test_check_names_a_damaged_shard_and_repair_mends_it(home: Machine) -> None:
    shard = next(path for path in sorted((home.root / "d1" / "shards").rglob("*")) if path.is_file())
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.chmod(0o600)
    shard.write_bytes(data)
    run = home("check", "--read-data")
    assert run.code == 24
    assert run.out.startswith("ALARM: 1 corrupt shard")
    assert "d1: shard" in run.err
    assert "Next: Run 'webraid repair'." in run.out
    assert home("repair").code == 0
    assert home("check", "--read-data").code == 0


def test_a_disk_is_tested_added_and_removed(home: Machine) -> None:
    assert home("add-backend", "local", "--path", home.root / "d5").code == 0
    listed = home("backend", "ls").out
    assert [line.split()[0] for line in listed.splitlines()[1:]] == ["d1", "d2", "d3", "d4", "local"]
    tested = home("backend", "test", "d1")
    assert tested.code == 0
    assert "0 failed" in tested.out
    removed = home("backend", "rm", "local")
    assert removed.code == 0
    assert f"any 2 of {DISKS} disks" in removed.out


def test_a_full_disk_leaves_only_by_force_and_then_the_pool_is_degraded(home: Machine) -> None:
    refused = home("backend", "rm", "d2")
    assert refused.code == 1
    assert "would survive the loss of 1 more, and of 2 with it" in refused.err
    for way in ("webraid replace d2", "webraid drain d2 --remove", "webraid rebuild d2", "--force"):
        assert way in refused.err
    assert "d2" in home("backend", "ls").out
    removed = home("backend", "rm", "d2", "--force", "--json")
    assert removed.code == removed.document["exit_code"] == 20
    assert removed.document["redundancy"] == {"survives": 1, "disks": 3}
    assert home("backend", "rm", "d4").code == 1


def test_a_lost_disk_leaves_without_force_and_repair_is_next(home: Machine, lose: Callable[..., None]) -> None:
    lose("d2")
    removed = home("backend", "rm", "d2", "--lost")
    assert removed.code == 20
    assert "Next: Run 'webraid repair'" in removed.out


def test_a_disk_that_stands_empty_leaves_a_degraded_pool_freely(home: Machine, lose: Callable[..., None]) -> None:
    assert home("add-backend", "local", "d5", "--path", home.root / "d5").code == 0
    lose("d2")
    removed = home("backend", "rm", "d5")
    assert removed.code == 20 and "Disk d5 is no longer part" in removed.out


def test_a_lost_disk_that_finds_no_room_is_not_called_rebuilt(home: Machine, lose: Callable[..., None]) -> None:
    lose("d2")
    assert "Nothing of d2 would get a new home." in home("rebuild", "d2", "-n").out
    run = home("rebuild", "d2")
    assert run.code == 20
    assert "Disk d2 is not rebuilt yet: nothing was moved." in run.out
    assert re.search(r"1 shard finds no legal home \([\d.]+ [KM]iB\): add a disk", run.out), run.out
    assert "d2 alone" not in run.out and "is rebuilt" not in run.out


def test_a_rebalance_that_only_shows_does_not_ask_to_go_on(home: Machine) -> None:
    for number in range(5, 9):
        assert home("add-backend", "local", f"d{number}", "--path", home.root / f"d{number}").code == 0
    for name in ("d2", "d3", "d4"):
        assert home("backend", "domain", name, "attic").code == 0
    run = home("rebalance", "-n")
    assert run.code == 0 and "would move" in run.out
    assert "Run it again" not in run.out


def test_a_folder_inside_or_around_a_disk_is_refused(home: Machine, tmp_path: Path) -> None:
    other = home.root / "Other_Pool" / "deep"
    there = {"WEBRAID_CONFIG": str(tmp_path / "o.toml"), "WEBRAID_STATE_DIR": str(tmp_path / "o")}
    assert home("init", "--name", "o", "--level", "raid1", "--kit", tmp_path / "o.txt", **there).code == 0
    assert home("add-backend", "local", "o1", "--path", other, **there).code == 0
    for path, says in (
        (home.root / "Other_Pool", "around the folder of disk o1"),
        (other / "A_b" / "c", "inside the folder of disk o1"),
        (home.root / "d1" / "c", f"inside {home.root}/d1, which is a disk of a pool"),
    ):
        run = home("add-backend", "local", "o2", "--path", path, **there)
        assert run.code == 2 and says in run.err
    assert not (other / "A_b").exists() and not (home.root / "d1" / "c").exists()


def test_a_name_of_a_pool_is_not_called_one_of_a_disk(machine: Machine) -> None:
    run = machine("init", "--name", "F\u00f6\u00f6 bar", "--kit", machine.root / "kit.txt")
    assert run.code == 2 and "is not a name for a pool" in run.err


def test_the_kit_never_says_to_install_by_name(machine: Machine) -> None:
    for kit in ("kit.txt", "kit.html"):
        there = {
            "WEBRAID_CONFIG": str(machine.root / f"{kit}.toml"),
            "WEBRAID_STATE_DIR": str(machine.root / f"{kit}.s"),
        }
        assert machine("init", "--level", "raid1", "--kit", machine.root / kit, **there).code == 0
        text = (machine.root / kit).read_text()
        assert "pipx install '.[all]'" in text and "tools/webraid_recover.py" in text
        assert "'webraid[" not in text and "install webraid" not in text


def test_a_relative_path_of_a_disk_is_kept_absolute(
    home: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home("add-backend", "local", "near", "--path", "near").code == 0
    assert f'path = "{tmp_path}/near"' in (home.root / "config.toml").read_text()


def test_flags_stand_before_or_after_the_command(home: Machine) -> None:
    config = home.environ["WEBRAID_CONFIG"]
    other = home.without("WEBRAID_CONFIG")
    assert other("--config", config, "config", "path").out == f"{config}\n"
    assert other("config", "path", "--config", config).out == f"{config}\n"
    assert home("--json", "config", "path").document["config"] == config
    assert home("config", "path", "--json").document["config"] == config


def test_config_show_tells_what_is_in_force_and_no_secret(home: Machine) -> None:
    text = home.root / "config.toml"
    text.write_text(
        text.read_text()
        + '\n[[disk]]\nname = "b"\nkind = "s3"\nbucket = "b"\naccess_key = "OPENSESAME"\nsecret_key = "OPENSESAME"\n'
    )
    run = home("config", "show", WEBRAID_LIMITS_UPLOAD="2 MiB/s")
    assert run.code == 0
    assert 'upload = "2 MiB/s"' in run.out
    assert "OPENSESAME" not in run.out + home("config", "show", "--json").out
    assert 'access_key = "(secret)"' in run.out


def test_config_check_finds_a_wrong_option(home: Machine) -> None:
    assert "is fine" in home("config", "check").out
    text = home.root / "config.toml"
    text.write_text(text.read_text().replace("path =", "pth =", 1))
    run = home("config", "check")
    assert run.code == 2
    assert "disk d1: local has no option 'pth'" in run.err


def test_version_names_what_matters(machine: Machine) -> None:
    out = machine("version").out
    for word in ("webraid", "python", "zfec", "cryptography", "isa-l", "boto3"):
        assert f"  {word}" in out
    assert machine("--version").out.startswith("webraid 0")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(machine: Machine, shell: str) -> None:
    run = machine("completion", shell)
    assert run.code == 0
    assert "_WEBRAID_COMPLETE" in run.out


def test_a_disks_name_completes_from_the_config(home: Machine) -> None:
    words = {"COMP_WORDS": "webraid backend rm d", "COMP_CWORD": "3", "_WEBRAID_COMPLETE": "complete_bash"}
    home.environ |= words
    out, _ = home.process().communicate(timeout=30)
    assert out.decode().split() == ["d1", "d2", "d3", "d4"]


def test_a_quiet_init_still_shows_a_code_that_is_written_nowhere(machine: Machine) -> None:
    assert "Recovery code" in machine("init", "-q").out
    other = {"WEBRAID_CONFIG": str(machine.root / "2.toml"), "WEBRAID_STATE_DIR": str(machine.root / "2")}
    assert machine("init", "-q", "--kit", machine.root / "kit", **other).out == ""
