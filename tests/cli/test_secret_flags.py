"""Where secrets come from: --X VALUE, --X-file FILE, --X-env VARIABLE; and what is said when they do not come."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from webraid.cli.kind_options import split
from webraid.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attic: Path) -> Path:
    """With files to take secrets from."""
    (tmp_path / "token").write_text("open-1\n")
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfopen-1\r\n")
    (tmp_path / "key").write_text("-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "open-1")
    monkeypatch.setenv("BLANK", "")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("flags", "secrets"),
    [
        (["--token", "open-1"], {"token": "open-1"}),
        (["--token=open-1"], {"token": "open-1"}),
        (["--token", "${TOKEN}"], {"token": "open-1"}),
        (["--token", "pa${ss"], {"token": "pa${ss"}),
        (["--token-file", "token"], {"token": "open-1"}),
        (["--token-file=token"], {"token": "open-1"}),
        (["--token-file", "bom"], {"token": "open-1"}),
        (["--token-env", "TOKEN"], {"token": "open-1"}),
        (["--key", "key"], {"key": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"}),
        (["--key-file", "key"], {"key": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"}),
        (["--key-env", "TOKEN", "--token-file", "token"], {"key": "open-1", "token": "open-1"}),
    ],
)
def test_a_secret_may_be_typed_lie_in_a_file_or_in_the_environment(flags: list[str], secrets: dict[str, str]) -> None:
    words = split(["attic", "a1", "--path", "x", *flags])
    assert words.secrets == secrets
    assert words.options == {"path": "x"}
    assert "open-1" not in repr(words)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--token-file", "nowhere"], "--token-file: nowhere cannot be read: No such file or directory"),
        (["--token-file", "."], "--token-file: . cannot be read: Is a directory"),
        (["--token-file", "empty"], "--token-file: empty is empty"),
        (["--token-file", "binary"], "--token-file: binary is not a text"),
        (["--key", "nowhere"], "--key: nowhere cannot be read"),
        (["--token-env", "NOT_SET"], "--token-env: the variable NOT_SET is not set"),
        (["--token-env", "BLANK"], "--token-env: the variable BLANK is empty"),
        (["--token", "${NOT_SET}"], "--token: the variable NOT_SET is not set"),
        (["--token", "hush-1", "--token-file", "token"], "--token is given twice"),
        (["--token-file"], "--token-file needs a value"),
        (["--token-fil", "token"], "no option --token-fil"),
        (["--path-file", "token"], "no option --path-file"),
        (["--path-env", "TOKEN"], "no option --path-env"),
    ],
)
def test_a_secret_that_does_not_come_is_named_with_what_to_do(flags: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split(["attic", "a1", *flags])
    assert says in str(caught.value)
    assert caught.value.hint
    assert "hush" not in str(caught.value) + caught.value.hint


def test_behind_a_disk_with_a_password_the_password_file_is_the_disks(pool: Machine, attic: Path, folder: Path) -> None:
    (folder / "disks").write_text("of the disk")
    run = pool(
        "add-backend", "attic", "a1", "--path", attic, "--token-file", "token", "--password-file", folder / "disks"
    )
    assert run.code == 0
    assert 'password = "of the disk"' in (pool.root / "secrets.toml").read_text()
    run = pool("backend", "login", "a1", f"--password-file={folder / 'key'}")
    assert run.code == 0
    assert "BEGIN KEY" in (pool.root / "secrets.toml").read_text()
    new = {"WEBRAID_CONFIG": str(folder / "c.toml"), "WEBRAID_STATE_DIR": str(folder / "s")}
    run = pool.without("WEBRAID_PASSWORD_FILE")(
        "recover", "attic", "--path", attic, "--token-file", "token", "--password-file", pool.root / "pw", **new
    )
    assert run.code == 0  # there it is the passphrase, as everywhere else


def test_before_the_kind_or_of_a_disk_without_one_it_is_the_pools(home: Machine, attic: Path, folder: Path) -> None:
    words = ["--path", attic, "--token-file", "token"]
    assert home("add-backend", "--password-file", home.root / "pw", "attic", "a1", *words).code == 0
    assert "password" not in (home.root / "secrets.toml").read_text()
    run = home("add-backend", "local", "d9", "--path", folder / "d9", "--password-file", home.root / "pw")
    assert run.code == 0


def test_the_help_of_a_kind_says_what_is_secret_and_how_to_give_it(home: Machine, attic: Path) -> None:
    text = home("add-backend", "attic", "--help").out
    of_attic = text.partition("Options of attic")[2]
    assert "--token VALUE" in of_attic
    assert "--key FILE" in of_attic
    assert "(secret)" in of_attic
    assert "--token-env VARIABLE" in of_attic
    assert "--token-file FILE" in of_attic
    assert "[required]" in of_attic.partition("--path")[2].partition("--region")[0]
    of_loft = home("add-backend", "loft", "--help").out
    assert "loft, by way of attic:\n  It is an attic in the north.\n" in of_loft
    assert "Free there: 5 GB, shared with the moths." in of_attic + text
    assert "--region" not in of_loft.partition("Options of")[2]
    general = home("add-backend", "--help").out
    assert "Kinds by way of attic" in general
    assert "garret, loft" in general
