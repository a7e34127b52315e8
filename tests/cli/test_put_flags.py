"""The flags of put, and what is said about sources, dry runs and streams."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Machine, Run
from webraid.errors import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a bit of everything that is usually left out."""
    folder = tmp_path / "work"
    for name in (
        "main.c",
        "main.o",
        "NOTES.TMP",
        "build/x",
        "cache/CACHEDIR.TAG",
        "cache/x",
        "skip/.nobackup",
        "skip/x",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (folder / "large").write_bytes(b"x" * 5000)
    (folder / ".gitignore").write_text("build/\n")
    return folder


def names(home: Machine) -> set[str]:
    """Files of the newest snapshot, below its one folder."""
    lines = home("ls", "latest").out.splitlines()
    return {line.partition("/")[2] for line in lines if not line.endswith("/")}


EVERYTHING = {
    "main.c", "main.o", "NOTES.TMP", "build/x", "cache/CACHEDIR.TAG", "cache/x", "skip/.nobackup", "skip/x", "large",
    ".gitignore",
}  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "gone"),
    [
        (["-e", "*.o", "--exclude", "/build"], {"main.o", "build/x"}),
        (["--iexclude", "*.tmp"], {"NOTES.TMP"}),
        (["--exclude-file", "PATTERNS"], {"main.c", "main.o"}),
        (["--iexclude-file", "PATTERNS"], {"main.c", "main.o", "NOTES.TMP"}),
        (["--exclude-file", "PATTERNS", "-e", "!main.c"], {"main.o"}),
        (["--exclude-if-present", ".nobackup"], {"skip/x"}),
        (["--exclude-if-present", ".nobackup:no such text"], set()),
        (["--exclude-caches"], {"cache/x"}),
        (["--exclude-larger-than", "4 kB"], {"large"}),
        (["--gitignore"], {"build/x"}),
        (["-x", "--force", "--compression", "max", "--ignore-inode", "--ignore-ctime"], set()),
    ],
)  # fmt: skip
def test_what_a_flag_leaves_out(home: Machine, work: Path, flags: list[str], gone: set[str]) -> None:
    (home.root / "patterns").write_text("main.*\nnotes.*\n")
    flags = [str(home.root / "patterns") if flag == "PATTERNS" else flag for flag in flags]
    assert home("put", work, *flags).code == EXIT_OK
    assert names(home) == EVERYTHING - gone


def test_a_dry_run_names_files_and_stores_nothing(home: Machine, work: Path) -> None:
    run = home("put", "-n", "-v", work, "-e", "*.o")
    assert run.code == EXIT_OK
    assert "new        work/main.c" in run.err and "main.o" not in run.err
    assert "Nothing was stored" in run.out and "9 new, 0 changed, 0 unmodified" in run.out
    document = home("--json", "put", "--dry-run", work).document
    assert (document["dry_run"], document["files_new"], "snapshot_id" in document) == (True, 10, False)
    assert len(home("--json", "snapshots").document["snapshots"]) == 1
    quiet = home("put", "-q", "-n", work)
    assert "10 new" in quiet.out  # it is all that was asked for


def test_json_names_every_file_when_asked_for(home: Machine, work: Path) -> None:
    lines = home("--json", "put", "-v", work).lines
    told = {line["item"]: (line["action"], line["data_size"]) for line in lines if "item" in line}
    assert told["work/large"] == ("new", 5000)
    assert len(told) == 10


# -------------------------------------------------------------------------------------------------------------- sources
@pytest.fixture
def sources(home: Machine, work: Path) -> Machine:
    """Two sources, one of which is never there."""
    config = home.root / "config.toml"
    work_source = f'[[source]]\nname = "work"\npaths = ["{work}"]\nexclude = ["*.o"]\nskip-if-unchanged = true\n'
    gone = f'[[source]]\nname = "gone"\npaths = ["{work}/gone"]\n'
    config.write_text(f"{config.read_text()}\n{work_source}\n{gone}")
    return home


def test_without_a_path_every_source_is_stored(sources: Machine) -> None:
    run = sources("put")
    assert run.code == EXIT_PARTIAL
    assert "work  snapshot " in run.out and "gone  NOT STORED: none of the paths could be read" in run.out
    assert "9 new, 0 changed, 0 unmodified" in run.out
    document = sources("--json", "put").document
    work, gone = document["sources"]
    assert (work["source"], work["files_unmodified"], "snapshot_id" in work) == ("work", 9, False)
    assert work["unchanged_since"] in run.out
    assert (gone["source"], gone["error"]["code"], gone["exit_code"]) == ("gone", EXIT_PARTIAL, EXIT_PARTIAL)
    assert document["exit_code"] == EXIT_PARTIAL


def test_quiet_tells_what_failed_and_nothing_else(sources: Machine, work: Path) -> None:
    run = sources("-q", "put")
    assert run.code == EXIT_PARTIAL and run.err == ""
    (line,) = run.out.splitlines()
    assert line.startswith("gone: NOT STORED: none of the paths could be read") and "Check the paths" in line
    document = sources("--json", "-q", "put", "--source", "work", "--force").document
    assert "snapshot_id" not in document and document["unchanged_since"] and document["snapshot_ids"] == []
    some = sources("put", "-q", work, work / "nowhere")
    snapshot = sources("snapshots", "--json").document["snapshots"][-1]["short_id"]
    assert some.code == EXIT_PARTIAL
    assert some.out.splitlines() == [
        f"1 file is not stored as it should be; snapshot {snapshot} is made without them:",
        f"  {work}/nowhere: no such file or directory",
    ]


def test_every_source_names_its_snapshot_and_the_whole_lists_them(sources: Machine, work: Path) -> None:
    config = sources.root / "config.toml"
    config.write_text(config.read_text() + f'\n[[source]]\nname = "c"\npaths = ["{work}/main.c"]\n')
    document = sources("--json", "put", "--source", "work", "--source", "c").document
    assert document["snapshot_ids"] == [part["snapshot_id"] for part in document["sources"]]
    assert len(set(document["snapshot_ids"])) == 2 and "snapshot_id" not in document
    one = sources("--json", "put", "--source", "c").document
    assert one["snapshot_ids"] == [one["snapshot_id"]] == [one["sources"][0]["snapshot_id"]]


def test_a_snapshot_can_be_dated_back(home: Machine, work: Path) -> None:
    assert home("put", work, "--time", "2019-12-31 23:59:58").code == EXIT_OK
    lines = home("snapshots").out.splitlines()
    assert "2019-12-31 23:59" in lines[1] and "2019" not in lines[2]  # the oldest comes first
    assert home("put", work, "--time", "2020-01-01T00:00:00+00:00").code == EXIT_OK
    times = [shot["time"] for shot in home("snapshots", "--json").document["snapshots"]]
    assert times[1] == "2020-01-01T00:00:00.000+00:00"
    for wrong, said in (("yesterday", "is not a time"), ("2999-01-01", "cannot be of the future")):
        run = home("put", work, "--time", wrong)
        assert (run.code, said in run.err) == (EXIT_USAGE, True)
    assert home("put", work, "--time", "now").code == EXIT_OK


def test_one_source_can_be_named(sources: Machine) -> None:
    assert sources("put", "-q", "--source", "work") == Run(EXIT_OK, "", "")
    again = sources("put", "--source", "work")
    assert "Nothing has changed since snapshot" in again.out
    wrong = sources("put", "--source", "music")
    assert (wrong.code, "There are: work, gone" in wrong.err) == (EXIT_USAGE, True)
    alone = sources("put", "--source", "gone")
    assert alone.code == EXIT_PARTIAL
    assert alone.err.count("none of the paths could be read") == 1


def test_without_path_and_source_the_command_says_what_it_needs(home: Machine) -> None:
    run = home("put")
    assert run.code == EXIT_USAGE
    assert "nothing to put" in run.err and "[[source]]" in run.err


def test_what_has_vanished_is_refused_until_it_is_meant(home: Machine, work: Path, tmp_path: Path) -> None:
    home("put", work)
    work.rename(tmp_path / "unmounted")
    work.mkdir()
    run = home("put", work)
    assert run.code == EXIT_PARTIAL
    assert "is empty" in run.err and "--allow-empty" in run.err
    assert home("put", work, "--allow-empty").code == EXIT_OK


# -------------------------------------------------------------------------------------------------------------- streams
def fed(home: Machine, data: bytes, *argv: str, **more: object) -> int:
    process = home.process(*argv, stdin=subprocess.PIPE, **more)
    process.communicate(data, timeout=60)
    return process.returncode


def test_standard_input_and_commands_become_files(home: Machine) -> None:
    assert fed(home, b"from a pipe", "put", "--stdin", "--stdin-filename", "dump.sql") == EXIT_OK
    assert home("cat", "latest:dump.sql").out == "from a pipe"
    run = home("put", "--stdin-from-command", "--tag", "db", "--", "echo", "--not-a-flag")
    assert run.code == EXIT_OK
    assert home("cat", "latest:stdin").out == "--not-a-flag\n"
    failed = home("put", "--stdin-from-command", "--", "false")
    assert (failed.code, "'false' ended with exit code 1" in failed.err) == (EXIT_PARTIAL, True)


def test_lists_may_come_from_standard_input(home: Machine, work: Path) -> None:
    assert fed(home, b"main.c\0cache\0", "put", "--files-from-raw", "-", cwd=work) == EXIT_OK
    assert names(home) == {"main.c", "cache/CACHEDIR.TAG", "cache/x"}
    (home.root / "list").write_text(f"# what is built\n{work}/main.*\n")
    assert home("put", "--files-from", home.root / "list").code == EXIT_OK
    assert names(home) == {f"{work}/main.c"[1:], f"{work}/main.o"[1:]}
    (home.root / "list").write_text(f"{work}/large\n{work}/none\n")
    assert home("put", "--files-from-verbatim", home.root / "list").code == EXIT_PARTIAL
    (home.root / "list").write_text("")
    assert home("put", "--files-from-verbatim", home.root / "list").code == EXIT_PARTIAL


@pytest.mark.parametrize(
    "argv",
    [
        ["--stdin", "x"],
        ["--stdin", "--stdin-from-command", "true"],
        ["--stdin-from-command"],
        ["--stdin", "--source", "x"],
        ["--stdin", "--files-from", "-"],
        ["--stdin", "--dry-run"],
        ["--stdin", "--stdin-filename", "a/b"],
        ["--files-from", "-", "--files-from-raw", "-"],
        ["--source", "x", "path"],
        ["x", "--compression", "most"],
        ["x", "-e", "[a"],
        ["x", "--exclude-file", "/no/such/file"],
        ["x", "--exclude-larger-than", "big"],
        ["x", "--exclude-if-present", ":text"],
    ],
)
def test_flags_that_make_no_sense_are_refused(home: Machine, argv: list[str]) -> None:
    run = home("put", *argv)
    assert (run.code, run.out) == (EXIT_USAGE, "")


def test_the_host_and_what_is_compared_with_can_be_named(home: Machine, work: Path) -> None:
    home("put", work, "--host", "laptop")
    (shot,) = [shot for shot in home("--json", "snapshots").document["snapshots"] if shot["hostname"] == "laptop"]
    (work / "main.c").write_text("another")
    home("put", work)
    assert home("--json", "put", work, "--parent", shot["short_id"]).document["files_changed"] == 1
    assert home("put", work, "--parent", "ffffffff").code == 1


# ------------------------------------------------------------------------------------------------------------ the total
_counting: list[str] = []


def _on_listing(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.listdir" and threading.current_thread().name == "put-total":
        _counting.append(event)


sys.addaudithook(_on_listing)


@pytest.mark.parametrize(
    ("flags", "counts"),
    [(["--json"], True), (["--json", "--no-scan"], False), (["--json", "-q"], False), ([], False), (["-q"], False)],
)
def test_what_there_is_is_counted_only_where_somebody_is_shown_how_far_it_is(
    home: Machine, work: Path, flags: list[str], counts: bool
) -> None:
    _counting.clear()
    assert home("put", work, *flags).code == EXIT_OK
    assert bool(_counting) is counts
