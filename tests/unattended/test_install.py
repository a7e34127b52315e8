"""schedule install, show, rm: lines in a crontab and systemd units, on the command line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.programs import program
from tests.unattended.conftest import Night
from webraid.cli.app import main
from webraid.errors import EXIT_OK, EXIT_TEMPORARY, EXIT_USAGE, ConfigError
from webraid.unattended import crontab, systemd
from webraid.unattended.calling import Calling, calling
from webraid.unattended.install import Host, install, remove, show

CRONTAB = """case "$1" in
  -l) [ -f {file} ] && exec cat {file}; echo "no crontab for ann" >&2; exit 1;;
  -r) exec rm {file};;
  -) exec cat > {file};;
esac"""
NOTED = """echo "$@" >> {file}"""
OTHERS = b"MAILTO=ann\n# mine\n*/5 * * * * echo 'a%b' \xff\n\n@reboot x"


@pytest.fixture
def table(tmp_path: Path, fake_program: Callable[[str, str], Path], night: Night) -> Path:
    """The crontab of a user, in a file."""
    file = tmp_path / "table"
    fake_program("crontab", CRONTAB.format(file=file))
    night.environ["PATH"] = os.environ["PATH"]
    return file


@pytest.fixture
def webraid(night: Night, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line of that machine, in this process."""

    def run(*words: str) -> int:
        for name in ("WEBRAID_CONFIG", "WEBRAID_STATE_DIR"):
            monkeypatch.setenv(name, night.environ[name])
        return main(["schedule", *words])

    return run


def host(night: Night, tmp_path: Path, *, systemd_runs: bool = False, root: bool = False) -> Host:
    running = tmp_path / "run-systemd"
    if systemd_runs:
        running.mkdir(exist_ok=True)
    return Host({**night.environ, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}, root, running, tmp_path / "system")


def as_cron_does(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """cron's own way with a line: its bare environment, /bin/sh, in the home folder."""
    command = line.split(maxsplit=5)[5] if not line.startswith("@") else line.split(maxsplit=1)[1]
    bare = {"HOME": str(home), "LOGNAME": "ann", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    home.mkdir(exist_ok=True)
    return subprocess.run(
        ["/bin/sh", "-c", command.replace(r"\%", "%")], env=bare, cwd=home, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def backdate(night: Night) -> None:
    """The schedule was installed long ago."""
    file = night.state / "schedule.json"
    mark = json.loads(file.read_text())
    mark["since"] = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    file.write_text(json.dumps(mark))


# -------------------------------------------------------------------------------------------------------------- cron
def test_the_line_that_is_installed_backs_up_from_cron_in_silence_and_mails_a_failure(
    night: Night, table: Path, webraid: Callable[..., int], tmp_path: Path
) -> None:
    """No HOME of ours, no PATH, no terminal, no passphrase."""
    night.says('[schedule]\ncron = "@yearly"\njobs = ["put", "check"]\njitter = "0"\non-battery = true')
    assert webraid("install", "--cron") == EXIT_OK
    backdate(night)
    (line,) = [line for line in table.read_text().splitlines() if line.startswith("0 0 1 1 * ")]
    done = as_cron_does(line, tmp_path / "home")
    assert (done.returncode, done.stdout, done.stderr) == (EXIT_OK, "", "")
    assert night.snapshots() == 1
    assert "exit code 0: ok" in night.log
    hourly, reboot = table.read_text().splitlines()[-3:-1]
    for again in (hourly, reboot):  # nothing is missed: no second run
        done = as_cron_does(again, tmp_path / "home")
        assert (done.returncode, done.stdout, done.stderr) == (EXIT_OK, "", "")
    assert night.snapshots() == 1
    night.lose("d1", "d2", "d3")
    (night.state / "last-run.json").unlink()
    night.config.write_text(night.config.read_text().replace('["put", "check"]', '["put"]'))
    done = as_cron_does(hourly, tmp_path / "home")
    assert (done.returncode, done.stdout) == (EXIT_TEMPORARY, "")
    assert done.stderr.startswith("webraid: the scheduled run of pool home failed (exit code 5: temporary failure")
    assert "put [exit code 5]: 1 of 4 disks answer" in done.stderr
    assert f"log: {night.state / 'webraid.log'}" in done.stderr


def test_all_else_in_the_crontab_stays_byte_for_byte(night: Night, table: Path, webraid: Callable[..., int]) -> None:
    table.write_bytes(OTHERS)
    webraid("install", "--cron")
    first = table.read_bytes()
    assert first.startswith(OTHERS + b"\n# BEGIN webraid")
    table.write_bytes(first + b"# after\n0 0 * * * y\n")
    night.says('[schedule]\ncron = "@weekly"\ncatch-up = false')
    webraid("install", "--cron")
    changed = table.read_bytes()
    assert changed.startswith(OTHERS + b"\n# BEGIN webraid")
    assert changed.endswith(b"# after\n0 0 * * * y\n")
    assert b"\n0 0 * * 0 " in changed
    assert b"\n0 3 " not in changed
    webraid("rm")
    assert table.read_bytes() == OTHERS + b"\n# after\n0 0 * * * y\n"


def test_installing_twice_is_installing_once(
    night: Night, table: Path, webraid: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    webraid("install", "--cron")
    before, mark = table.read_bytes(), (night.state / "schedule.json").read_bytes()
    capsys.readouterr()
    webraid("install", "--cron")
    assert table.read_bytes() == before
    assert (night.state / "schedule.json").read_bytes() == mark
    assert "as it was already" in capsys.readouterr().out


def test_a_crontab_that_was_only_ours_goes_with_it(table: Path, webraid: Callable[..., int]) -> None:
    webraid("install", "--cron")
    assert webraid("rm") == EXIT_OK
    assert not table.exists()
    assert webraid("rm") == EXIT_OK


def test_two_pools_have_lines_of_their_own(night: Night, table: Path, webraid: Callable[..., int]) -> None:
    other = str(night.config).replace("config.toml", "other.toml").encode()
    block = b"# BEGIN webraid schedule for " + other + b"\nx\n# END webraid schedule for " + other + b"\n"
    table.write_bytes(block)
    webraid("install", "--cron")
    assert table.read_bytes().startswith(block)
    webraid("rm")
    assert table.read_bytes() == block


def test_a_block_without_its_end_is_not_guessed_at(
    night: Night, table: Path, webraid: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    torn = f"# BEGIN webraid schedule for {night.config}\n0 4 * * * precious\n"
    table.write_text(torn)
    assert webraid("install", "--cron") == EXIT_USAGE
    assert "not the last one" in capsys.readouterr().err
    assert table.read_text() == torn


def test_a_user_who_may_not_use_cron_is_told(
    night: Night, webraid: Callable[..., int], fake_program: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fake_program("crontab", "echo 'You (ann) are not allowed to use this program (crontab)' >&2; exit 1")
    assert webraid("install", "--cron") == EXIT_USAGE
    assert "not allowed to use this program" in capsys.readouterr().err


lines = st.binary(max_size=30).filter(lambda line: b"\n" not in line and b"\r" not in line)


@given(st.lists(lines), st.lists(lines), st.booleans())
def test_putting_a_block_in_and_taking_it_out_changes_nothing_else(
    before: list[bytes], after: list[bytes], ended: bool
) -> None:
    config = Path("/home/ann/config.toml")
    block = b"# BEGIN webraid schedule for /home/ann/config.toml\nx\n# END webraid schedule for /home/ann/config.toml\n"
    above = b"".join(line + b"\n" for line in before)
    below = b"\n".join(after) + (b"\n" if ended and after else b"")
    table = above + block + below
    assert crontab.ours(table, config) == block
    assert crontab.with_block(table, config, b"new\n") == above + b"new\n" + below
    assert crontab.with_block(above, config, block) == above + block
    assert crontab.with_block(above + block, config, b"") == above


def test_odd_paths_survive_crontab_and_shell(night: Night, table: Path, webraid: Callable[..., int]) -> None:
    odd = night.root.with_name('50% of ann\'s "$HOME"')
    night.root.rename(odd)
    moved = Night(odd)
    moved.config.write_text(
        moved.config.read_text().replace(str(night.root), str(odd)).replace('"$HOME"', '\\"$HOME\\"')
    )
    moved.says('[schedule]\njobs = ["check"]\njitter = "0"\non-battery = true')
    night.environ |= {name: moved.environ[name] for name in ("WEBRAID_CONFIG", "WEBRAID_STATE_DIR")}
    assert webraid("install", "--cron") == EXIT_OK
    backdate(moved)
    (line,) = [line for line in table.read_text().splitlines() if line.startswith("0 3 ")]
    done = as_cron_does(line, odd.parent)
    assert (done.returncode, done.stderr) == (EXIT_OK, "")
    assert moved.last.exit_code == EXIT_OK


@pytest.mark.parametrize("words", [("--cron", "--systemd"), ("--user", "--system"), ("--cron", "--system")])
def test_what_contradicts_itself_is_refused(table: Path, webraid: Callable[..., int], words: tuple[str, ...]) -> None:
    assert webraid("install", *words) == EXIT_USAGE
    assert not table.exists()


@pytest.mark.parametrize(
    "text", ['[schedule]\ncron = "0 25 * * *"', '[schedule]\njobs = ["frob"]', '[schedule]\ncron = "@reboot"']
)
def test_a_schedule_that_cannot_work_is_not_installed(
    night: Night, table: Path, webraid: Callable[..., int], text: str
) -> None:
    night.says(text)
    assert webraid("install", "--cron") == EXIT_USAGE
    assert not table.exists()


def test_what_a_timer_will_lack_is_told(
    night: Night, table: Path, webraid: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    night.says('[notify]\napprise = ["ntfy://${NTFY_TOKEN}/x"]\n[secrets]\nstore = "keyring"')
    webraid("install", "--cron")
    page = " ".join(capsys.readouterr().out.split())
    assert "${NTFY_TOKEN}" in page
    assert "locked while nobody is logged in" in page


# ----------------------------------------------------------------------------------------------------------- systemd
def units_of(night: Night, tmp_path: Path, **more: bool) -> dict[str, str]:
    there = host(night, tmp_path, **more)
    made = install(night.settings, there, how="systemd")
    return {Path(file).name: Path(file).read_text() for file in made.files}


def test_the_units_are_what_systemd_accepts(night: Night, tmp_path: Path) -> None:
    for number, text in enumerate(
        ["", '\n[schedule]\ncron = "*/20 4 1,15 * mon"\non-battery = true\ncatch-up = false']
    ):
        night.says(text)
        made = install(night.settings, host(night, tmp_path), how="systemd")
        assert [Path(file).name for file in made.files] == ["webraid-home.service", "webraid-home.timer"]
        done = subprocess.run(
            [program("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", *made.files],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (number, done.returncode, done.stderr) == (number, 0, "")


def test_the_units_say_what_the_config_says(night: Night, tmp_path: Path) -> None:
    night.says('[schedule]\ncron = "30 4 1,15 * 5"\njitter = "10m"\nnice = 7')
    texts = units_of(night, tmp_path)
    service, timer = texts["webraid-home.service"], texts["webraid-home.timer"]
    assert "OnCalendar=*-*-01,15 04:30:00\nOnCalendar=Fri *-*-* 04:30:00\n" in timer
    assert "Persistent=true" in timer
    assert "RandomizedDelaySec=600" in timer
    assert "\nNice=7\nIOSchedulingClass=idle\n" in service
    assert "ConditionACPower=true" in service
    assert '"schedule" "run" "--timer" "--no-jitter"' in service
    assert f'Environment="WEBRAID_CONFIG={night.config}"' in service
    assert "network-online" not in service
    night.config.write_text(night.config.read_text().replace("nice = 7", "on-battery = true\ncatch-up = false"))
    texts = units_of(night, tmp_path)
    assert "ConditionACPower" not in texts["webraid-home.service"]
    assert "Persistent=false" in texts["webraid-home.timer"]
    assert texts["webraid-home.timer"].count("OnCalendar") == 2


def test_where_systemd_runs_it_is_told(night: Night, tmp_path: Path, fake_program: Callable[[str, str], Path]) -> None:
    fake_program("systemctl", NOTED.format(file=tmp_path / "told"))
    night.environ["PATH"] = os.environ["PATH"]
    made = install(night.settings, host(night, tmp_path, systemd_runs=True))
    assert made.how == "systemd user"
    assert (tmp_path / "told").read_text().splitlines() == [
        "--user daemon-reload", "--user enable --now webraid-home.timer",
    ]  # fmt: skip
    assert made.to_run == ["loginctl enable-linger"]
    assert remove(night.settings, host(night, tmp_path, systemd_runs=True)) == made.files
    assert (tmp_path / "told").read_text().splitlines()[2:] == [
        "--user disable --now webraid-home.timer", "--user daemon-reload",
    ]  # fmt: skip
    assert not any(Path(file).exists() for file in made.files)


def test_of_root_the_timer_is_the_systems(night: Night, tmp_path: Path) -> None:
    texts = units_of(night, tmp_path, root=True)
    assert (tmp_path / "system" / "webraid-home.timer").exists()
    assert "After=network-online.target" in texts["webraid-home.service"]


def test_where_systemd_does_not_run_or_refuses_it_is_said_what_is_left_to_do(
    night: Night, tmp_path: Path, fake_program: Callable[[str, str], Path]
) -> None:
    made = install(night.settings, host(night, tmp_path, root=True), how="systemd")
    assert made.to_run == ["systemctl daemon-reload", "systemctl enable --now webraid-home.timer"]
    fake_program("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    night.environ["PATH"] = os.environ["PATH"]
    made = install(night.settings, host(night, tmp_path, systemd_runs=True, root=True), how="systemd")
    assert "Failed to connect to bus" in made.notes[0]
    assert made.to_run[0] == "systemctl daemon-reload"


def test_a_unit_of_somebody_else_is_not_overwritten(night: Night, tmp_path: Path) -> None:
    theirs = tmp_path / "system" / "webraid-home.service"
    theirs.parent.mkdir()
    theirs.write_text("[Service]\n")
    with pytest.raises(ConfigError, match="another one"):
        install(night.settings, host(night, tmp_path, root=True), how="systemd")
    remove(night.settings, host(night, tmp_path, root=True))
    assert theirs.read_text() == "[Service]\n"


def test_changing_over_leaves_nothing_behind(night: Night, table: Path, tmp_path: Path) -> None:
    there = host(night, tmp_path)
    install(night.settings, there, how="cron")
    install(night.settings, there, how="systemd")
    assert not table.exists()
    assert show(night.settings, there).installed == ["systemd user"]
    install(night.settings, there, how="systemd", system=True)
    assert show(night.settings, there).installed == ["systemd system"]
    install(night.settings, there, how="cron")
    assert show(night.settings, there).installed == ["cron"]


def test_which_one_is_chosen(
    night: Night, table: Path, tmp_path: Path, fake_program: Callable[[str, str], Path]
) -> None:
    fake_program("systemctl", "exit 0")
    night.environ["PATH"] = os.environ["PATH"]
    assert install(night.settings, host(night, tmp_path)).how == "cron"
    assert install(night.settings, host(night, tmp_path, systemd_runs=True)).how == "systemd user"
    (tmp_path / "run-systemd").rmdir()
    nothing = Host({"PATH": str(tmp_path / "none")}, root=False, running=tmp_path / "none")
    with pytest.raises(ConfigError, match="neither systemd nor cron"):
        install(night.settings, nothing)


def test_values_are_quoted_as_systemd_wants_them(night: Night) -> None:
    name = systemd.unit_name(night.says("").settings and _config(night))
    assert name == "webraid-home"
    assert systemd._quoted('a"b\\c%d e') == '"a\\"b\\\\c%%d e"'


@pytest.mark.parametrize("name", ["line\nbreak", os.fsdecode(b"not utf-8 \xff"), "tab\there"])
def test_a_path_that_fits_into_no_line_is_refused(night: Night, name: str) -> None:
    places = replace(night.settings.places, config=night.root / name)
    with pytest.raises(ConfigError, match="not plain text"):
        calling(places, night.environ)


def test_a_backslash_is_not_left_to_cron(night: Night) -> None:
    how = Calling(("/usr/bin/webraid",), {"WEBRAID_CONFIG": "/back\\slash"})
    with pytest.raises(ConfigError, match="backslash"):
        crontab.block(night.config, _config(night), how)


def _config(night: Night):  # type: ignore[no-untyped-def]
    from webraid.config import load

    return load(night.config, {})


# -------------------------------------------------------------------------------------------------------------- show
def test_show_tells_what_is_installed_what_comes_and_what_was(
    night: Night, table: Path, webraid: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    night.says('[schedule]\njobs = ["put"]')
    webraid("show")
    assert "No schedule is installed." in capsys.readouterr().out
    webraid("install", "--cron")
    night.run("put")
    capsys.readouterr()
    webraid("show")
    page = capsys.readouterr().out
    assert "Installed: cron." in page
    assert "next run" in page
    assert "went well" in page
    assert "source photos: snapshot" in page
    webraid("show", "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["installed"] == ["cron"]
    assert document["last_run"]["exit_code"] == 0
    assert document["stale"] is False
    assert datetime.fromisoformat(document["next_run"]).hour == 3
    night.config.write_text(night.config.read_text().replace('jobs = ["put"]', 'cron = "0 5 * * *"'))
    webraid("show")
    assert "The config has changed since" in capsys.readouterr().out


def test_a_run_by_hand_says_nothing_into_a_pipe_and_everything_as_json(
    night: Night, webraid: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert webraid("run", "--job", "put") == EXIT_OK
    assert capsys.readouterr() == ("", "")
    assert webraid("run", "--job", "check", "--json") == EXIT_OK
    document = json.loads(capsys.readouterr().out)
    assert [job["job"] for job in document["run"]["jobs"]] == ["check"]
    assert webraid("run", "--job", "frob") == EXIT_USAGE
    assert "no job of a schedule" in capsys.readouterr().err
