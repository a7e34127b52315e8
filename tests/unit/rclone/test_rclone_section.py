"""Sections: read from what users have, told apart by account, and kept in step with the secret."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from webraid.errors import ConfigError
from webraid_rclone.section import Sections, as_secret, parse, place_of

INI = """
# mine
[other]
type = sftp
host = h

[drive]
type = drive
token = {"access_token":"A","refresh_token":"R","expiry":"2026"}
; a comment = none
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (INI, "drive"),
        (INI.split("[drive]")[1], ""),
        (json.dumps({"type": "drive", "token": {"access_token": "A", "refresh_token": "R", "expiry": "2026"}}), ""),
        (json.dumps({"drive": {"type": "drive", "token": '{"access_token": "A", "refresh_token": "R"}'}}), "drive"),
    ],
)
def test_a_section_is_read_from_what_rclone_prints(text: str, name: str) -> None:
    section = parse(text, name)
    assert section["type"] == "drive"
    assert json.loads(section["token"])["refresh_token"] == "R"


@pytest.mark.parametrize(
    "text", ["", INI, "hunter2", "{hunter2", '{"a":1}', '{"type":"x","pass":"hunter2\\nb=c"}', "[a]"]
)
def test_what_is_no_section_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert "hunter2" not in f"{raised.value} {raised.value.hint}"


def test_the_place_is_the_account_not_the_token() -> None:
    drive = {"type": "onedrive", "drive_id": "D", "token": "1"}
    assert place_of(drive) == place_of(drive | {"token": "2"}) != place_of(drive | {"drive_id": "E"})
    box = {"type": "box", "token": '{"refresh_token":"R","access_token":"1"}'}
    assert place_of(box) == place_of(box | {"token": '{"refresh_token":"R","access_token":"2"}'})
    assert place_of(box) != place_of(box | {"token": '{"refresh_token":"S"}'})
    jotta = {"type": "jottacloud", "device": "Jotta", "mountpoint": "Archive", "token": '{"refresh_token":"R"}'}
    assert place_of(jotta) != place_of(jotta | {"token": '{"refresh_token":"S"}'})
    assert place_of({"type": "webdav", "url": "https://h/dav", "user": "u"}).startswith("webdav/h/")


# ---------------------------------------------------------------------------------------------------------- the file
OLD, NEW, OTHER = (as_secret({"type": "box", "token": token}) for token in ("old", "new", "other"))


@pytest.fixture
def sections(tmp_path: Path) -> Sections:
    return Sections(tmp_path / "kept")


def rclone_renews(sections: Sections, token: str) -> None:
    sections.file.write_text(sections.file.read_text().replace("token = old", f"token = {token}"))


def test_the_secret_is_written_for_rclone_and_only_we_may_read_it(sections: Sections) -> None:
    assert sections.settle("box-r1", OLD) == (OLD, True)
    assert sections.read("box-r1") == {"type": "box", "token": "old"}
    assert sections.file.stat().st_mode & 0o777 == 0o600
    assert sections.file.parent.stat().st_mode & 0o777 == 0o700
    assert sections.settle("box-r1", OLD) == (OLD, False)


def test_a_token_that_rclone_renewed_before_a_crash_is_not_lost(sections: Sections) -> None:
    sections.settle("box-r1", OLD)
    rclone_renews(sections, "new")
    assert sections.settle("box-r1", OLD) == (NEW, False)


def test_a_new_login_goes_before_what_the_file_holds(sections: Sections) -> None:
    sections.settle("box-r1", OLD)
    rclone_renews(sections, "new")
    assert sections.settle("box-r1", OTHER) == (OTHER, True)
    assert sections.read("box-r1")["token"] == "other"


def test_after_a_renewal_was_kept_the_file_is_the_secrets_own(sections: Sections) -> None:
    sections.settle("box-r1", OLD)
    rclone_renews(sections, "new")
    sections.mark("box-r1", NEW)
    rclone_renews(sections, "newer")
    assert sections.settle("box-r1", NEW)[0] == as_secret(sections.read("box-r1"))


def test_other_sections_stay_as_they_are(sections: Sections) -> None:
    sections.settle("box-r1", OLD)
    sections.settle("box-r2", OTHER)
    assert (sections.read("box-r1")["token"], sections.read("box-r2")["token"]) == ("old", "other")


def test_disks_that_are_opened_at_once_do_not_lose_a_section(sections: Sections) -> None:
    names = [f"box-r{number}" for number in range(12)]
    threads = [threading.Thread(target=sections.settle, args=(name, OLD)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(sections.read(name) for name in names)
