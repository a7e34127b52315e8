"""The guides' commands, run word for word, on folders and on servers of the kinds that they speak of."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.forms import dropbox, gdrive
from tests.conformance import servers, servers_sftp, servers_webdav
from tests.docs.guide import play, script
from tests.docs.pages import ROOT, table
from tests.programs import program
from webraid.array.placement import Seat, place
from webraid.codec.levels import parse_level


def photos(home: Path) -> None:
    for name in ("photos", "papers"):
        (home / name).mkdir(parents=True)
        for number in range(5):
            (home / name / f"{number}.txt").write_text(f"{name} {number}\n" * 1000)


def test_the_first_pool_works_word_for_word(tmp_path: Path) -> None:
    done = play(script("guide/first-pool.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same\n" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """What stands for the places of the guides, and the environment that their commands read."""
    with contextlib.ExitStack() as stack:
        s3 = stack.enter_context(servers.moto())
        (tmp_path / "dav").mkdir()
        dav = stack.enter_context(servers_webdav.wsgidav(tmp_path / "dav"))
        user = f"--user {dav.user}"
        instead = {
            "--provider b2 --region eu-central-003": f"--endpoint {s3.endpoint} --domain b2",
            "--user ann --password-env CLOUD_PASSWORD": f"{user} --password-env CLOUD_PASSWORD --domain cloud",
            "https://cloud.example.org": f"http://127.0.0.1:{dav.port}",
            "https://app.koofr.net/dav/Koofr": f"http://127.0.0.1:{dav.port}",
            "--user ann@example.org --password-env KOOFR": f"{user} --domain koofr --password-env KOOFR",
        }
        environ = {
            "B2_ID": s3.access_key, "B2_KEY": s3.secret_key, "CLOUD_PASSWORD": dav.password,
            "KOOFR_PASSWORD": dav.password,
        }  # fmt: skip
        yield instead, environ


def chosen(page: str, instead: dict[str, str]) -> dict[str, str]:
    return {there: here for there, here in instead.items() if there in script(page)}


def test_four_free_clouds_work_word_for_word(
    tmp_path: Path, clouds: tuple[dict[str, str], dict[str, str]]
) -> None:  # fmt: skip
    page, (instead, environ) = "guide/free-clouds.md", clouds
    photos(tmp_path / "home")
    for name in ("google", "dropbox"):
        (tmp_path / name).mkdir()
    with gdrive(tmp_path / "google") as google, dropbox(tmp_path / "dropbox") as box:
        words = {
            "--client-secret-file client.json --token-file google.json": " ".join(google.flags),
            "--app-key abcdefghij12345 --token-file dropbox.json": " ".join(box.flags),
        }
        done = play(script(page), tmp_path, instead=chosen(page, instead) | words, environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "survives the loss of any one" in done.stdout


def test_a_nas_and_two_clouds_work_word_for_word(
    tmp_path: Path, clouds: tuple[dict[str, str], dict[str, str]]
) -> None:  # fmt: skip
    page, (instead, environ) = "guide/nas.md", clouds
    photos(tmp_path / "home")
    (tmp_path / "ssh").mkdir()
    with servers_sftp.sftp_asyncssh(tmp_path / "ssh") as nas:
        shutil.copy(nas.keys.folder / "user_key", tmp_path / "id_ed25519")
        words = {
            "--host nas.local --user ann": f"--host 127.0.0.1 --port {nas.port} --user {nas.user} --domain nas",
            '"ssh-ed25519 AAAA..."': f'"{nas.keys.host}"',
        }
        done = play(script(page), tmp_path, instead=chosen(page, instead) | words, environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "survives the loss of any one" in done.stdout


def test_the_history_of_a_restic_repository_comes_along_word_for_word(tmp_path: Path) -> None:
    restic(tmp_path, "init", "-q")
    for text in ("first", "second"):
        (tmp_path / "note").write_text(text)
        restic(tmp_path, "backup", "-q", "note")
    setup = "webraid -q init --name home --level raid1 --kit kit.txt\n"
    setup += "for n in 1 2; do webraid -q add-backend local d$n --path d$n; done\n"
    repository = {"RESTIC_REPOSITORY": str(tmp_path / "repo"), "RESTIC_PASSWORD": "x"}
    done = play(setup + script("guide/from-restic.md"), tmp_path, environ=repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("from-restic,") >= 2
    assert "the same\n" in done.stdout


def restic(folder: Path, *words: str) -> None:
    environ = {"RESTIC_REPOSITORY": "repo", "RESTIC_PASSWORD": "x", "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    subprocess.run([program("restic"), *words], cwd=folder, env=environ, check=True, capture_output=True)


def test_every_command_of_restic_that_has_a_namesake_here_is_one() -> None:
    from webraid.cli.app import tree

    known = tree().commands
    for row in table((ROOT / "docs" / "guide" / "from-restic.md").read_text(), "# Moving from restic"):
        for name in re.findall(r"`webraid ([a-z-]+)", row[1]):
            assert name in known, row


@pytest.mark.parametrize("row", range(4))
def test_the_table_of_what_four_clouds_hold_is_what_placement_does(row: int) -> None:
    told = table((ROOT / "docs" / "guide" / "free-clouds.md").read_text(), "## Which level")[row]
    spec = parse_level(re.findall(r"`([^`]+)`", told[0])[0])
    free, count, shape = {"a": 1500, "b": 200, "c": 1000, "d": 1000}, 0, spec.geometry(4)
    while True:  # shards of 10 MB
        seats = [Seat(name.encode(), name, room, writable=True) for name, room in free.items()]
        placement = place(shape, seats, [1] * shape.n, stripe_number=count)
        if placement.missing:
            break
        for home in placement.homes:
            free[(home or b"").decode()] -= 1
        count += 1
    holds = count * shape.k / 100
    assert abs(holds - float(told[1].split()[0])) < 0.3, (holds, told)
    assert shape.m == {"any one": 1, "any two": 2}[told[2]]
