"""Options of a dropbox disk, what a token may look like, and what tells two disks apart."""

from __future__ import annotations

import subprocess
import sys

import pytest

from webraid.backend.registry import load, make_options
from webraid.errors import AuthExpired, ConfigError
from webraid_dropbox import DropboxBackend, DropboxOptions
from webraid_dropbox.options import refresh_token, token_of

KEY = "abcdefghij12345"


def test_a_disk_needs_no_more_than_an_app_key() -> None:
    options, secrets = make_options(load("dropbox"), {"app-key": KEY, "token": "t"})
    assert (options.app_key, options.folder, options.account, options.endpoint) == (KEY, "", "", "")
    assert secrets == {"token": "t"}


@pytest.mark.parametrize("key", ["", "with space", "UPPER", "https://www.dropbox.com"])
def test_what_is_no_app_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="app key"):
        DropboxOptions(key)


@pytest.mark.parametrize("folder", ["a//b", "a/../b", "a\\b", "ends ", "a:b", "x" * 101, "å", "."])
def test_a_folder_that_dropbox_might_not_keep_as_it_is_is_refused(folder: str) -> None:
    with pytest.raises(ConfigError, match="folder"):
        DropboxOptions(KEY, folder=folder)


@pytest.mark.parametrize(
    ("given", "kept"), [("/Backups/My Disk/", "Backups/My Disk"), ("a.b_c-d", "a.b_c-d"), ("/", "")]
)
def test_slashes_around_a_folder_do_not_matter(given: str, kept: str) -> None:
    assert DropboxOptions(KEY, folder=given).folder == kept


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://u:p@x", "x", "http://[", "http://x?y", "http://x:port"])
def test_what_is_no_plain_url_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="endpoint"):
        DropboxOptions(KEY, endpoint=endpoint)


def test_a_timeout_is_above_nothing() -> None:
    with pytest.raises(ConfigError, match="timeout"):
        DropboxOptions(KEY, timeout=0)


def test_a_token_is_bare_or_json() -> None:
    assert refresh_token(" abc-DEF \n") == "abc-DEF"
    assert refresh_token('{"refresh_token": "abc", "scope": "x"}\n') == "abc"
    assert refresh_token(token_of("abc")) == "abc"
    assert refresh_token("") == ""


@pytest.mark.parametrize(
    "text", ["{oops SECRET", '{"access_token": "SECRET"}', '{"refresh_token": 7}', "two SECRETs", "sl.SECRET"]
)
def test_what_is_no_refresh_token_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        refresh_token(text)
    assert "SECRET" not in f"{raised.value} {raised.value.hint}"
    with pytest.raises(AuthExpired) as expired:
        DropboxBackend.connect(DropboxOptions(KEY), {"token": text})
    assert "SECRET" not in f"{expired.value} {expired.value.hint} {expired.value.fix}"


def test_without_a_token_the_login_is_what_is_missing() -> None:
    with pytest.raises(AuthExpired) as raised:
        DropboxBackend.connect(DropboxOptions(KEY), {})
    assert raised.value.fix == "webraid backend login NAME"


def test_options_do_not_show_the_token() -> None:
    assert "SECRET" not in repr(DropboxOptions(KEY).with_secrets({"token": "SECRET"}))


def test_two_disks_are_the_same_place_whatever_the_case_and_the_slashes() -> None:
    def place(**more: str) -> str:
        return DropboxBackend.identity(DropboxOptions(**{"app_key": KEY, "account": "dbid:1"} | more))

    assert place(folder="A/b") == place(folder="/a/B/")
    assert len({place(), place(folder="a"), place(account="dbid:2"), place(app_key="another1")}) == 4


def test_all_accounts_are_one_failure_domain() -> None:
    assert DropboxBackend.default_domain(DropboxOptions(KEY, account="dbid:1"), "x1") == "dropbox"


def test_importing_the_plug_in_does_not_import_the_sdk() -> None:
    code = "import sys, webraid_dropbox; webraid_dropbox.DropboxBackend.ERRORS; print('dropbox' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": "backends:."}
    )
    assert done.stdout.strip() == "False"
