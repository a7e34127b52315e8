"""What [[disk]] may say, and what shows it: never a secret."""

from __future__ import annotations

import subprocess
import sys

import pytest

from webraid.backend.registry import make_options, options_of
from webraid.errors import ConfigError
from webraid_gdrive import DriveBackend, DriveOptions
from webraid_gdrive.folder import properties, quoted
from webraid_gdrive.options import ENDPOINT


def test_the_secrets_are_the_two_that_the_flags_name() -> None:
    assert [option.name for option in options_of(DriveBackend) if option.secret] == ["client_secret", "token"]
    parsed, secrets = make_options(DriveBackend, {"client-secret": "C", "token": "T", "folder": "mine"})
    assert (parsed.folder, secrets) == ("mine", {"client_secret": "C", "token": "T"})


def test_secrets_are_not_shown() -> None:
    assert "T0ken" not in repr(DriveOptions().with_secrets({"client_secret": "T0ken", "token": "T0ken", "other": "x"}))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://drive.example.org", "ftp://x", "https://user:key@x", "https://x/?key=1", "no url", "https://",
        "http://127.0.0.1:port",
    ],
)  # fmt: skip
def test_a_token_goes_nowhere_unencrypted_but_on_this_machine(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        DriveOptions(endpoint=endpoint)


def test_without_the_sdk_the_extra_is_named(secrets: dict[str, str]) -> None:
    code = (
        "import sys; sys.modules['googleapiclient'] = None\n"
        "from webraid_gdrive import *\n"
        f"secrets = {secrets!r}\n"
        "try: DriveBackend.connect(DriveOptions(), secrets)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "PluginMissing gdrive needs Google's SDK: pipx install --force '.[all]' in the checkout\n"


def test_an_endpoint_has_one_spelling() -> None:
    assert DriveOptions(endpoint="").endpoint == DriveOptions().endpoint == ENDPOINT
    assert DriveOptions(endpoint=" http://localhost:1 ").endpoint == "http://localhost:1/"


def test_nonsense_is_refused() -> None:
    for given in ({"folder": " "}, {"timeout": 0.0}):
        with pytest.raises(ConfigError):
            DriveOptions(**given)


def test_the_same_place_has_one_identity() -> None:
    def identity(**given: str) -> str:
        return DriveBackend.identity(DriveOptions(**given))

    assert identity(account="a", folder_id="1", folder="x") == identity(account="a", folder_id="1", folder="y")
    assert identity(account="a@x.org", folder_id="1") == identity(account="A@X.org", folder_id="1")
    assert identity(account="a@x.org", folder_id="1") == identity(account="0123", folder_id="1")
    assert identity(account="a", folder="x") != identity(account="b", folder="x")
    assert identity(account="a", folder="x") == identity(account="A", folder="x")
    assert identity(folder="x") != identity(folder="y")
    assert identity() != identity(endpoint="http://localhost:1")
    assert DriveBackend.default_domain(DriveOptions(), "g1") == "google"


def test_properties_fit_into_what_drive_takes() -> None:
    assert properties("marker") == {}
    assert properties("log/a") == {"top": "log"}
    assert properties("shards/ab/x") == {"top": "shards", "part": "shards/ab"}
    for value in properties("x" * 120 + "/" + "y" * 60 + "/z").values():
        assert len(value) <= 124 - len("part")


def test_a_folders_name_may_hold_an_apostrophe() -> None:
    assert quoted("it's \\ me") == "it\\'s \\\\ me"
