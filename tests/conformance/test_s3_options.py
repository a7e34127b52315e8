"""webraid_s3: what its options mean, and the clients made from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.canned import KEYS
from tests.conformance.canned import s3_options as options
from webraid.backend.registry import make_options, options_of
from webraid.errors import (
    ConfigError,
    Misconfigured,
)
from webraid_s3 import S3Backend, S3Options

REPOSITORY = Path(__file__).resolve().parents[2]


# ------------------------------------------------------------------------------------------------------------ options
@pytest.mark.parametrize(
    ("given", "endpoint", "region", "host", "domain"),
    [
        ({}, "", "us-east-1", "s3.amazonaws.com", "aws"),
        ({"region": "eu-west-1"}, "", "eu-west-1", "s3.amazonaws.com", "aws"),
        ({"provider": "aws", "endpoint": "https://s3.eu-west-1.amazonaws.com"}, None, "us-east-1",
         "s3.amazonaws.com", "aws"),
        ({"provider": "b2", "region": "us-west-004"}, "https://s3.us-west-004.backblazeb2.com", "us-west-004",
         "s3.us-west-004.backblazeb2.com", "b2"),
        ({"provider": "b2", "endpoint": "s3.eu-central-003.backblazeb2.com"}, "https://s3.eu-central-003.backblazeb2.com",
         "eu-central-003", "s3.eu-central-003.backblazeb2.com", "b2"),
        ({"provider": "r2", "endpoint": "https://abc.r2.cloudflarestorage.com"}, None, "auto",
         "abc.r2.cloudflarestorage.com", "r2"),
        ({"provider": "wasabi", "region": "eu-west-2"}, "https://s3.eu-west-2.wasabisys.com", "eu-west-2",
         "s3.eu-west-2.wasabisys.com", "wasabi"),
        ({"provider": "gcs"}, "https://storage.googleapis.com", "auto", "storage.googleapis.com", "gcs"),
        ({"provider": "storj"}, "https://gateway.storjshare.io", "us-east-1", "gateway.storjshare.io", "storj"),
        ({"endpoint": "http://NAS.local:9000/"}, "http://NAS.local:9000", "us-east-1", "nas.local:9000", "nas.local"),
        ({"endpoint": "nas.local:443"}, "https://nas.local:443", "us-east-1", "nas.local", "nas.local"),
        ({"provider": "minio", "endpoint": "http://10.0.0.1:9000"}, None, "us-east-1", "10.0.0.1:9000", "10.0.0.1"),
    ],
)  # fmt: skip
def test_what_is_not_given_follows_from_the_provider(
    given: dict[str, Any], endpoint: str | None, region: str, host: str, domain: str
) -> None:
    made = S3Options(bucket="b", **given)
    assert made.endpoint == (given["endpoint"] if endpoint is None else endpoint)
    assert made.region == region
    assert S3Backend.identity(made) == f"s3|{host}|b|"
    assert S3Backend.default_domain(made, "name") == domain


@pytest.mark.parametrize(
    "bad",
    [
        {"bucket": ""},
        {"bucket": "b/folder"},
        {"provider": "nsa"},
        {"endpoint": "", "provider": "r2"},
        {"endpoint": "", "provider": "b2"},
        {"endpoint": "ftp://x"},
        {"endpoint": "https://KEY:SECRETWORD@host"},
        {"endpoint": "https://host:port"},
        {"endpoint": "https://["},
        {"endpoint": "https://host?key=SECRETWORD"},
        {"addressing": "hosted"},
        {"timeout": 0},
        {"timeout": float("nan")},
    ],
)
def test_options_that_mean_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        options(**bad)
    assert "SECRETWORD" not in str(caught.value)


def test_one_place_has_one_identity() -> None:
    same = [options(), options(endpoint="HTTPS://S3.Example.org:443/"), options(region="x", addressing="path")]
    assert len({S3Backend.identity(made) for made in same}) == 1
    others = [options(bucket="c"), options(prefix="p"), options(endpoint="https://s3.example.com"), options()]
    assert len({S3Backend.identity(made) for made in others}) == 4
    assert options(prefix="/p/q/") == options(prefix="p/q")


def test_secrets_are_split_off_kept_out_of_reprs_and_handed_back() -> None:
    flags = {
        "bucket": "b",
        "endpoint": "https://h",
        "access-key": "AKIDWORD",
        "secret-key": "SECRETWORD",
        "timeout": "5",
    }
    made, secrets = make_options(S3Backend, flags)
    assert secrets == {"access_key": "AKIDWORD", "secret_key": "SECRETWORD"}
    full = made.with_secrets(secrets)
    assert (full.access_key, full.secret_key, full.timeout) == ("AKIDWORD", "SECRETWORD", 5.0)
    assert "WORD" not in repr(full)
    assert all(option.help for option in options_of(S3Backend))
    assert {option.name for option in options_of(S3Backend) if option.secret} == {
        "access_key",
        "secret_key",
        "session_token",
    }


# ------------------------------------------------------------------------------------------------------------ clients
def test_importing_the_plug_in_does_not_import_the_sdk() -> None:
    code = "import sys, webraid_s3; sys.exit(any(name in sys.modules for name in ('boto3', 'botocore', 'urllib3')))"
    path = f"{REPOSITORY}:{REPOSITORY / 'backends'}"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}).returncode == 0


def test_a_missing_sdk_says_what_to_install() -> None:
    code = """
import sys
sys.modules["botocore"] = sys.modules["boto3"] = None
from webraid.model import MIB
from webraid_s3 import S3Backend, S3Options
from webraid.errors import PluginMissing
try:
    S3Backend.connect(S3Options("b", endpoint="https://h"), {"access_key": "a", "secret_key": "b"})
except PluginMissing as error:
    assert "pipx install --force '.[all]' in the checkout" in str(error)
    sys.exit(7)
"""
    path = f"{REPOSITORY}:{REPOSITORY / 'backends'}"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}).returncode == 7


@pytest.mark.parametrize("secrets", [{}, {"access_key": "A"}, {"secret_key": "S"}])
def test_half_or_no_keys_are_a_configuration_error(secrets: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="secret key"):
        S3Backend.connect(options(), secrets)


@pytest.mark.parametrize("provider", ["aws", "minio"])
def test_the_sdk_neither_retries_nor_adds_checksums(provider: str) -> None:
    backend = S3Backend.connect(options(provider=provider, timeout=7), KEYS)
    config = backend._client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.request_checksum_calculation == config.response_checksum_validation == "when_required"
    assert (config.connect_timeout, config.read_timeout) == (7, 7)
    assert config.s3["addressing_style"] == ("auto" if provider == "aws" else "path")
    backend.close()


def test_connecting_waits_ten_seconds_and_reading_a_minute() -> None:
    backend = S3Backend.connect(options(), KEYS)
    config = backend._client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 60)
    backend.close()


def test_own_keys_shut_out_the_users_aws_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nregion = nowhere\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SOMEBODY")
    backend = S3Backend.connect(options(), KEYS)
    assert backend._client._request_signer._credentials.access_key == "AKID"
    assert backend._client.meta.region_name == "us-east-1"
    backend.close()
    with pytest.raises(Misconfigured, match="do not fit"):
        S3Backend.connect(S3Options("b"), {})  # AWS without own keys: the user's, of a profile that is not there
