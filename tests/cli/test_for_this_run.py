"""Flags that change the config for one run: what they are read as, where they may stand, what goes before what."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from webraid.backend.timetable import parse_timetable
from webraid.cli.completion import BY_OPTION
from webraid.cli.config_values import troubles
from webraid.cli.flags import Flags
from webraid.cli.for_this_run import overrides
from webraid.config import Limits, load
from webraid.errors import EXIT_DEGRADED, EXIT_OK, EXIT_TEMPORARY, EXIT_UNREADABLE, EXIT_USAGE, ConfigError

UP, DOWN = "WEBRAID_LIMITS_UPLOAD", "WEBRAID_LIMITS_DOWNLOAD"
KIB, MIB = 1024, 1 << 20
NOTHING = Flags()


def rates(minute: int = 0, **given: str) -> tuple[object, object]:
    """Bytes a second up and down in that minute of the day; '' where the flags do not say."""
    found = overrides(Flags(**given))
    return tuple(parse_timetable(found[name]).at(minute) if name in found else "" for name in (UP, DOWN))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "up", "down"),
    [
        ("500", 500 * KIB, 500 * KIB),
        ("0.5", 512, 512),
        ("2MiB/s", 2 * MIB, 2 * MIB),
        ("2 MiB/s", 2 * MIB, 2 * MIB),
        ("10M", 10_000_000, 10_000_000),
        ("0", None, None),
        ("off", None, None),
        ("10M:100k", 10_000_000, 100_000),
        ("off:100", None, 100 * KIB),
        ("100:off", 100 * KIB, None),
        ("08:00,512 12:00,10M:1M 23:00,off", None, None),
        ("08:00-23:00 512, else 0", None, None),
        ("22:00-07:00 512, else 2 MiB/s", 512 * KIB, 512 * KIB),
    ],
)
def test_bwlimit_is_read_as_rclone_reads_it_and_as_the_config_has_it(text: str, up: object, down: object) -> None:
    assert rates(bwlimit=text) == (up, down)


def test_a_timetable_of_both_ways_is_one_for_each() -> None:
    text = "08:00,512 12:00,10M:1M 23:00,off"
    assert rates(9 * 60, bwlimit=text) == (512 * KIB, 512 * KIB)
    assert rates(13 * 60, bwlimit=text) == (10_000_000, 1_000_000)
    assert rates(9 * 60, limit_upload="08:00-23:00 512, else 0") == (512 * KIB, "")
    assert rates(9 * 60, limit_download="08:00-23:00 1.5 MiB/s") == ("", 1.5 * MIB)


def test_the_flag_of_one_way_goes_before_that_of_both() -> None:
    assert rates(bwlimit="100", limit_upload="7") == (7 * KIB, 100 * KIB)
    assert rates(bwlimit="100", limit_download="0") == (100 * KIB, None)


def test_what_is_not_said_changes_nothing() -> None:
    assert overrides(Flags()) == {}


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--limit-upload", "fast", "--limit-upload: 'fast' is not a size"),
        ("--limit-upload", "", "--limit-upload"),
        ("--limit-download", "25:00-26:00 1M", "--limit-download"),
        ("--bwlimit", "Mon-08:00,512", "--bwlimit"),
        ("--bwlimit", "1M:", "--bwlimit"),
        ("--bwlimit", "-1", "--bwlimit"),
        ("--tpslimit", "many", "--tpslimit: 'many' is not a number of requests a second"),
        ("--tpslimit", "nan", "--tpslimit"),
        ("--tpslimit", "inf", "--tpslimit"),
        ("--tpslimit", "-1", "--tpslimit"),
        ("--transfers", "2.5", "--transfers: '2.5' is not a whole number up to 64"),
        ("--transfers", "65", "--transfers"),
        ("--retries", "-1", "--retries: '-1' is not a whole number up to 100"),
        ("--patience", "0", "--patience must be more than 0 seconds"),
        ("--patience", "long", "--patience: 'long' is not a duration"),
        ("--cache-dir", "", "--cache-dir needs a folder"),
    ],
)
def test_a_value_that_is_none_is_told_with_its_flag(flag: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        overrides(Flags(**{flag[2:].replace("-", "_"): value}))
    assert str(caught.value).startswith(said)
    assert caught.value.hint != ConfigError.default_hint


def test_a_wrong_value_ends_the_run_before_anything_is_done_wherever_it_stands(machine: Machine) -> None:
    for argv in (["--retries=some", "version"], ["version", "--retries=some"]):
        run = machine(*argv)
        assert (run.code, run.out) == (EXIT_USAGE, "")
        assert run.err.startswith("webraid: --retries: 'some' is not a whole number") and len(run.err.splitlines()) == 2


def test_a_cache_in_a_folder_and_no_cache_exclude_each_other(machine: Machine) -> None:
    run = machine("--no-cache", "version", "--cache-dir", "there")
    assert run.code == EXIT_USAGE and "exclude each other" in run.err


# ----------------------------------------------------------------------------------------------- what goes before what
def limits(folder: Path, flags: Flags = NOTHING, **environ: str) -> Limits:
    """What is in force, by the way that a command goes."""
    return load(folder / "config.toml", {**environ, **overrides(flags)}).limits


def write(folder: Path, text: str) -> None:
    head = text if "[pool]" in text else 'version = 1\n[pool]\nname = "home"\nid = "00"\n' + text
    (folder / "config.toml").write_text(head)


FILE = """
[limits]
{file}
[profile.night.limits]
{profile}
[profile.other.limits]
upload = "9 MiB/s"
"""
NIGHT = Flags(profile="night")


@pytest.mark.parametrize(
    ("key", "default", "file", "profile", "environ", "flag", "shown"),
    [
        ("upload", "0", '"1 MiB/s"', '"2 MiB/s"', "3 MiB/s", {"limit_upload": "4096"}, "4096KiB"),
        ("download", "0", '"1 MiB/s"', '"2 MiB/s"', "3 MiB/s", {"bwlimit": "1:4"}, "4KiB"),
        ("tps", 0.0, "1.0", "2.0", "3", {"tpslimit": "4"}, 4.0),
        ("transfers", 0, "1", "2", "3", {"transfers": "4"}, 4),
        ("retries", 4, "1", "2", "3", {"retries": "0"}, 0),
        ("patience", 30.0, "1.0", "2.0", "3", {"patience": "4m"}, 240.0),
    ],
)
def test_a_flag_goes_before_the_environment_a_profile_the_file_and_the_default(
    tmp_path: Path,
    key: str,
    default: object,
    file: str,
    profile: str,
    environ: str,
    flag: dict[str, str],
    shown: object,
) -> None:
    kind = type(default)

    def found(flags: Flags = NOTHING, **environ: str) -> object:
        return getattr(limits(tmp_path, flags, **environ), key)

    write(tmp_path, "")
    assert found() == default
    write(tmp_path, FILE.format(file=f"{key} = {file}", profile=f"{key} = {profile}"))
    variable = {f"WEBRAID_LIMITS_{key.upper()}": environ}
    assert found() == kind(file.strip('"'))
    assert found(NIGHT) == kind(profile.strip('"'))
    assert found(NIGHT, **variable) == kind(environ)
    assert found(replace(NIGHT, **flag), **variable) == shown


def test_a_profile_is_named_by_flag_or_environment_and_changes_only_what_it_mentions(tmp_path: Path) -> None:
    write(tmp_path, FILE.format(file='upload = "1 MiB/s"\ndownload = "5 MiB/s"', profile='upload = "2 MiB/s"'))
    night = limits(tmp_path, WEBRAID_PROFILE="night")
    assert (night.upload, night.download, night.retries) == ("2 MiB/s", "5 MiB/s", 4)
    assert limits(tmp_path, Flags(profile="other"), WEBRAID_PROFILE="night").upload == "9 MiB/s"
    assert limits(tmp_path, Flags(profile=""), WEBRAID_PROFILE="night").upload == "1 MiB/s"
    with pytest.raises(ConfigError, match=r"no profile 'nihgt'.*did you mean night") as caught:
        limits(tmp_path, Flags(profile="nihgt"))
    assert caught.value.hint == "There are: night, other."


def test_config_show_tells_what_is_in_force_and_all_profiles(home: Machine) -> None:
    config = home.root / "config.toml"
    config.write_text(
        "version = 1\n" + FILE.format(file="tps = 1", profile="tps = 2") + config.read_text().split("\n", 2)[2]
    )
    shown = home("-P", "night", "config", "show")
    assert shown.out.startswith("# profile in force: night\n") and "[profile.other.limits]\n" in shown.out
    document = home("config", "show", "--json", WEBRAID_PROFILE="night").document
    assert (document["limits"]["tps"], document["profile_in_force"]) == (2.0, "night")
    assert document["profile"]["night"] == {"limits": {"tps": 2}}


def test_profiles_complete(home: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    config = home.root / "config.toml"
    config.write_text(config.read_text() + "[profile.night.limits]\ntps = 1\n[profile.day.limits]\ntps = 2\n")
    monkeypatch.setenv("WEBRAID_CONFIG", str(config))
    assert BY_OPTION["-P"]("n") == ["night"]


def test_flags_stand_before_or_after_the_command_and_the_later_one_counts(home: Machine) -> None:
    before = home("--retries", "5", "--json", "config", "show")
    after = home("--retries", "5", "config", "show", "--json", "--retries", "0", "--limit-upload", "7")
    assert before.document["limits"]["retries"] == 5
    assert after.document["limits"]["retries"] == 0
    assert after.document["limits"]["upload"] == "7KiB"


def test_the_help_of_a_command_says_where_they_are_told_of(machine: Machine) -> None:
    assert "--limit-upload" in machine("put", "--help").out.splitlines()[-1]
    top = machine("--help", COLUMNS="80").out
    for flag in ("--limit-upload", "--limit-download", "--bwlimit", "--tpslimit", "--transfers", "--retries"):
        assert f"  {flag} " in top
    for flag in ("--patience", "--cache-dir", "--no-cache", "-P, --profile"):
        assert f"  {flag} " in top
    assert all(len(line) <= 80 for line in top.splitlines())


def test_a_command_that_means_something_else_by_a_flag_keeps_it(machine: Machine) -> None:
    run = machine("lab", "up", "--profile", "no such cloud", "--dir", machine.root / "lab")
    assert run.code == EXIT_USAGE and "no such cloud" in run.err and "no profile" not in run.err


# ------------------------------------------------------------------------------------------------------------ profiles
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[profile.night]\nupload = "0"', "[profile.night.upload]: no profile changes that"),
        ("[profile.night]", "[profile.night] changes nothing"),
        ("[profile]\nnight = 1", "[profile.night] changes nothing"),
        ('[profile.night.limit]\nupload = "0"', "[profile.night.limit]: no profile changes that; did you mean limits?"),
        ('[profile.night.pool]\nname = "x"', "[profile.night.pool]: no profile changes that"),
        ("[profile.night.limits]\nuplaod = 1", "unknown option uplaod in [profile.night.limits]; did you mean upload?"),
        ("[profile.night.limits]\nupload = 1", "[profile.night.limits]: upload must be a text in quotes, not 1"),
        ("[profile.night.limits]\nretries = 1000", "[profile.night.limits] retries must be from 0 to 100, not 1000"),
        ('[profile.night.limits]\nupload = "fast"', "[profile.night.limits] upload: 'fast' is not a size"),
        ('[profile.night.check]\nsample = "some"', "[profile.night.check] sample: 'some' is not a share"),
        ('[profile.night.idle]\nevery = "often"', "[profile.night.idle] every: 'often' is not a duration"),
        ('[profile."the night".idle]\nevery = "1d"', "'the night' is not a name for a profile"),
        ('[schedule]\nprofile = "night"', "no profile 'night' ([schedule] profile)"),
        ('[[profile]]\nname = "night"', "write [profile.NAME.limits]"),
    ],
)
def test_config_check_knows_profiles_also_those_that_are_not_in_force(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, text)
    try:
        found = [str(error) for error in troubles(load(tmp_path / "config.toml", {}), {})]
    except ConfigError as error:
        found = [str(error)]
    assert len(found) == 1 and said in found[0]


def test_a_profile_that_is_right_passes_the_check_and_no_address_in_it_is_shown(home: Machine) -> None:
    secret, config = "https://hc.example/abc", home.root / "config.toml"
    config.write_text(config.read_text() + f'[profile.night.notify]\nhealthchecks = "{secret}"\n')
    assert home("config", "check").code == EXIT_OK
    for argv in (["config", "show"], ["-P", "night", "config", "show", "--json"]):
        run = home(*argv)
        assert run.code == EXIT_OK and secret not in run.out and "(secret)" in run.out


# --------------------------------------------------------------------------------------------------------------- cache
def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_without_a_cache_everything_works_and_none_is_left_behind(home: Machine) -> None:
    (home.root / "state" / "table.sqlite").unlink()
    for argv in (["put", home.root / "photos"], ["get", "-t", home.root / "out"]):
        run = home(*argv, "--no-cache")
        assert run.code == EXIT_OK, run.err
    assert (home.root / "out" / "photos" / "2024" / "b.jpg").read_bytes() == bytes(range(256)) * 50
    assert known(home.root / "state" / "table.sqlite") == (0, 0)
    assert home("put", home.root / "photos").code == EXIT_OK  # its own log goes on where the others left it
    assert home("check", "--read-data").code == EXIT_OK
    assert len(home("snapshots", "--json").document["snapshots"]) == 3


def known(database: Path) -> tuple[int, int]:
    """Records and packs in a cache."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        records = connection.execute("SELECT count(*) FROM records").fetchone()[0]
        return records, connection.execute("SELECT count(*) FROM packs").fetchone()[0]


def test_a_cache_elsewhere_is_private_marked_and_this_machines_own(home: Machine, tmp_path: Path) -> None:
    (home.root / "state" / "table.sqlite").unlink()
    caches = tmp_path / "caches"
    card = (home.root / "state" / "device" / "card.json").read_text()
    assert home("--cache-dir", caches, "put", home.root / "photos").code == EXIT_OK
    (own,) = caches.iterdir()
    assert tree(own) == {"CACHEDIR.TAG", "table.sqlite"}
    assert (own.stat().st_mode & 0o777, (own / "table.sqlite").stat().st_mode & 0o777) == (0o700, 0o600)
    assert (own / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert min(known(own / "table.sqlite")) > 0
    assert known(home.root / "state" / "table.sqlite") == (0, 0)
    assert (home.root / "state" / "device" / "card.json").read_text() == card  # the key and the journal stay
    assert list((home.root / "state" / "device" / "log").iterdir())
    assert home("ls", WEBRAID_CACHE_DIR=str(caches)).code == EXIT_OK
    other = str(tmp_path / "other")
    assert home("--cache-dir", caches, "snapshots", WEBRAID_STATE_DIR=other).code != EXIT_OK  # it has no key
    assert list(caches.iterdir()) == [own]


def test_config_path_says_where_the_cache_is(home: Machine, tmp_path: Path) -> None:
    def cache(*argv: str | Path) -> object:
        return home(*argv, "config", "path", "--json").document.get("cache")

    assert cache() == str(home.root / "state" / "table.sqlite")
    assert str(cache("--cache-dir", tmp_path)).startswith(f"{tmp_path}/webraid-")
    assert cache("--no-cache") is None


def test_a_cache_that_others_could_write_to_is_refused(home: Machine, tmp_path: Path) -> None:
    caches = tmp_path / "caches"
    assert home("--cache-dir", caches, "snapshots").code == EXIT_OK
    (own,) = caches.iterdir()
    own.chmod(0o777)
    run = home("--cache-dir", caches, "snapshots")
    assert run.code == EXIT_USAGE and str(own) in run.err
    assert home("snapshots").code == EXIT_OK


# ----------------------------------------------------------------------------------------------- flags of some commands
def test_put_min_redundancy_ends_without_a_snapshot_and_says_why(home: Machine, lose: Callable[..., None]) -> None:
    photos = home.root / "photos"
    for given, said in (("3", "raid6 survives 2 losses"), ("-1", "-1 is not a number of losses"), ("x", "--min")):
        run = home("put", photos, "--min-redundancy", given)
        assert run.code == EXIT_USAGE and said in run.err
    lose("d4")
    run = home("--json", "put", photos, "--min-redundancy", "2")
    assert (run.code, run.complaint["code"]) == (EXIT_TEMPORARY, EXIT_TEMPORARY)
    assert "would survive 1 loss (without d4)" in run.complaint["message"]
    assert home("put", photos, "--min-redundancy", "1").code == EXIT_DEGRADED
    assert len(home("snapshots", "--json").document["snapshots"]) == 2


def test_backend_chooses_the_disks_of_get_check_and_scrub(home: Machine) -> None:
    got = home("get", "-t", home.root / "out", "--backend", "d2", "--backend", "d3", "--json")
    assert got.code == EXIT_OK
    assert {disk["name"] for disk in got.document["backends"] if disk["requests"]} == {"d2", "d3"}
    few = home("get", "-t", home.root / "few", "--backend", "d2")
    assert few.code == EXIT_UNREADABLE and "Name more disks with --backend" in few.out
    for job in ("check", "scrub"):
        run = home(job, "--backend", "d2", "--json")
        assert run.code == EXIT_OK and [disk["name"] for disk in run.document["backends"]] == ["d2"]
        assert run.document["redundancy"]["disks"] == 4
        assert "any 2 of 4 disks" in home(job, "--backend", "d2").out
        assert home(job, "--backend", "d9").code == EXIT_USAGE
    assert home("scrub", "--backend", "d2", "--resume").code == EXIT_USAGE
    assert home("check", "--backend", "d2", "--drill", "1").code == EXIT_USAGE
