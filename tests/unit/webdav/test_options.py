"""webraid_webdav: what its options mean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from webraid.backend.registry import make_options, options_of
from webraid.errors import ConfigError, Misconfigured
from webraid_webdav import WebdavBackend, WebdavOptions

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("given", "url", "identity", "domain"),
    [
        ({"url": "https://Cloud.Example.org:443/dav/"}, "https://cloud.example.org/dav/",
         "webdav|cloud.example.org/dav/|", "cloud.example.org"),
        ({"url": "nas.local:8443/a b"}, "https://nas.local:8443/a%20b/", "webdav|nas.local:8443/a%20b/|", "nas.local"),
        ({"url": "davs://nas.local/x//y"}, "https://nas.local/x/y/", "webdav|nas.local/x/y/|", "nas.local"),
        ({"url": "dav://127.0.0.1:80/x", "user": "u"}, "http://127.0.0.1/x/", "webdav|127.0.0.1/x/|u", "127.0.0.1"),
        ({"url": "http://[::1]:8080", "user": "u"}, "http://[::1]:8080/", "webdav|[::1]:8080/|u", "::1"),
        ({"url": "https://h/%7Eada/%C3%A4"}, "https://h/~ada/%C3%A4/", "webdav|h/~ada/%C3%A4/|", "h"),
        ({"url": "https://h/ä"}, "https://h/%C3%A4/", "webdav|h/%C3%A4/|", "h"),
        ({"url": "https://app.koofr.net/dav/Koofr/webraid", "user": "a@b"}, None,
         "webdav|app.koofr.net/dav/Koofr/webraid/|a@b", "koofr"),
        ({"url": "https://ewebdav.pcloud.com/w"}, None, "webdav|ewebdav.pcloud.com/w/|", "pcloud"),
        ({"url": "https://c.org", "provider": "nextcloud", "user": "ada l"},
         "https://c.org/remote.php/dav/files/ada%20l/webraid/",
         "webdav|c.org/remote.php/dav/files/ada%20l/webraid/|ada l", "c.org"),
        ({"url": "https://c.org/remote.php/webdav/x", "provider": "owncloud", "user": "a"}, None,
         "webdav|c.org/remote.php/webdav/x/|a", "c.org"),
        ({"url": "https://mine.org", "provider": "koofr"}, "https://mine.org/", "webdav|mine.org/|", "koofr"),
    ],
)  # fmt: skip
def test_an_address_has_one_spelling(given: dict[str, Any], url: str | None, identity: str, domain: str) -> None:
    made = WebdavOptions(**given)
    assert made.url == (given["url"] + "/" if url is None else url)
    assert WebdavBackend.identity(made) == identity
    assert WebdavBackend.default_domain(made, "name") == domain
    assert WebdavOptions(made.url, made.user, provider=made.provider) == made


@pytest.mark.parametrize(
    "bad",
    [
        {"url": ""},
        {"url": "ftp://h/"},
        {"url": "https:///x"},
        {"url": "https://h:port/"},
        {"url": "https://["},
        {"url": "https://h/?key=SECRETWORD"},
        {"url": "https://h/#x"},
        {"url": "https://ada:SECRETWORD@h/"},
        {"url": "https://h/a/../b"},
        {"url": "https://h/a%2Fb"},
        {"url": "https://h/a%00b"},
        {"user": "a:b"},
        {"user": "a\nb"},
        {"provider": "nsa"},
        {"timeout": 0},
        {"timeout": float("nan")},
    ],
)
def test_options_that_mean_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        WebdavOptions(**{"url": "https://h/", **bad})
    assert "SECRETWORD" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("host", ["example.org", "192.168.1.2", "10.0.0.1", "localhost.example.org"])
def test_a_password_does_not_go_over_plain_http(host: str) -> None:
    with pytest.raises(ConfigError, match="plain http") as caught:
        WebdavOptions(f"http://{host}/", "u")
    assert "--insecure" in caught.value.hint
    assert WebdavOptions(f"http://{host}/", "u", insecure=True).origin == f"http://{host}"
    assert WebdavOptions(f"http://{host}/").origin == f"http://{host}", "nothing secret goes there"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost"])
def test_this_very_machine_may_be_reached_over_plain_http(host: str) -> None:
    assert WebdavOptions(f"http://{host}:8080/", "u").url == f"http://{host}:8080/"


def test_the_flags_of_an_unattended_run_are_enough() -> None:
    flags = {"url": "http://127.0.0.1:8080/", "user": "U", "password": "SECRETWORD", "timeout": "5", "insecure": "no"}
    made, secrets = make_options(WebdavBackend, flags)
    assert (made.url, made.user, made.timeout, made.insecure) == ("http://127.0.0.1:8080/", "U", 5.0, False)
    assert secrets == {"password": "SECRETWORD"}
    assert "SECRETWORD" not in repr(made)
    assert all(option.help for option in options_of(WebdavBackend))
    assert [option.name for option in options_of(WebdavBackend) if option.required] == ["url"]


def test_a_file_with_an_authority_that_is_not_there_is_told(tmp_path: Path) -> None:
    options = WebdavOptions("https://h/", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(Misconfigured, match="certificate authority"):
        WebdavBackend.connect(options, {})


def test_importing_the_plug_in_does_not_import_the_library() -> None:
    code = "import sys, webraid_webdav; sys.exit('urllib3' in sys.modules)"
    path = f"{REPOSITORY}:{REPOSITORY / 'backends'}"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}).returncode == 0


def test_a_missing_library_says_what_to_install() -> None:
    code = """
import sys
sys.modules["urllib3"] = None
from webraid_webdav import WebdavBackend, WebdavOptions
from webraid.errors import PluginMissing
try:
    WebdavBackend.connect(WebdavOptions("https://h/"), {})
except PluginMissing as error:
    assert "pipx install --force '.[all]' in the checkout" in str(error)
    sys.exit(7)
"""
    path = f"{REPOSITORY}:{REPOSITORY / 'backends'}"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}).returncode == 7
