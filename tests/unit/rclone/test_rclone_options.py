"""How a disk's options become rclone's addresses, and what is refused."""

from __future__ import annotations

import pytest

from webraid.backend.registry import make_options
from webraid.errors import ConfigError
from webraid_rclone import RcloneBackend, RcloneOptions
from webraid_rclone.options import answers
from webraid_rclone.types import READ_ONLY, TYPES, known_types


@pytest.mark.parametrize(
    ("options", "address"),
    [
        (RcloneOptions(":local:/x/dir"), ":local:/x/dir/webraid"),
        (RcloneOptions(":local:/x//dir/"), ":local:/x/dir/webraid"),
        (RcloneOptions(":local:/x/dir", path=""), ":local:/x/dir"),
        (RcloneOptions("/x/dir"), ":local:/x/dir/webraid"),
        (RcloneOptions("onedrive:"), "s:webraid"),
        (RcloneOptions("onedrive:a/b", path="c"), "s:a/b/c"),
        (RcloneOptions(type="onedrive"), "s:webraid"),
        (RcloneOptions(type="pcloud", path=""), "s:"),
        (RcloneOptions(type="sftp", path="/srv/w"), "s:/srv/w"),
        (RcloneOptions("drive,team_drive=7:a"), "s,team_drive=7:a/webraid"),
        (RcloneOptions(':http,url="http://h:80/":a'), ':http,url="http://h:80/":a/webraid'),
    ],
)
def test_remote_and_path_make_rclones_address(options: RcloneOptions, address: str) -> None:
    assert options.address("s" if options.base else "") == address


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"remote": "no colon"},
        {"remote": ":webdav,url=http://h,pass=hunter2:"},
        {"remote": ":s3,secret_access_key=hunter2:b"},
        {"type": "local"},
        {"remote": ":local:x"},
        {"remote": "x:", "timeout": "0"},
        {"remote": "x:", "transport": "carrier pigeon"},
    ],
)
def test_what_cannot_work_or_would_show_a_secret_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as raised:
        make_options(RcloneBackend, given)
    assert "hunter2" not in f"{raised.value} {raised.value.hint}"


def test_identity_is_equal_for_the_same_place_only() -> None:
    one = RcloneOptions(type="onedrive", place="onedrive//1")
    assert one.identity() == RcloneOptions("mine:", type="onedrive", place="onedrive//1").identity()
    assert one.identity() != RcloneOptions(type="onedrive", place="onedrive//2").identity()
    assert one.identity() != RcloneOptions(type="onedrive", place="onedrive//1", path="other").identity()
    assert RcloneOptions(":local:/x/").identity() == RcloneOptions("/x").identity() != RcloneOptions("/y").identity()


@pytest.mark.parametrize(
    ("options", "domain"),
    [
        (RcloneOptions(":local:/x"), "r1"),
        (RcloneOptions(type="onedrive"), "onedrive"),
        (RcloneOptions(type="drive"), "google"),
        (RcloneOptions("mine:", type="google cloud storage", place="google cloud storage//1"), "gcs"),
        (RcloneOptions(type="webdav", place="webdav/cloud.example.org/1"), "cloud.example.org"),
        (RcloneOptions(type="alias", place="alias//1"), "r1"),
        (RcloneOptions(":sftp,host=nas:/x"), "nas"),
        (RcloneOptions(':webdav,url="https://dav.example.org:444/a":'), "dav.example.org"),
    ],
)
def test_the_domain_is_the_company_else_the_host_else_the_disk(options: RcloneOptions, domain: str) -> None:
    assert RcloneBackend.default_domain(options, "r1") == domain


def test_set_takes_commas_or_lines() -> None:
    assert answers("a=1, b=x=y,") == {"a": "1", "b": "x=y"}
    assert answers("a=1,2\nb=3\n") == {"a": "1,2", "b": "3"}
    with pytest.raises(ConfigError):
        answers("hunter2")


def test_secrets_are_no_part_of_a_repr() -> None:
    assert "hunter2" not in repr(RcloneOptions("x:", set="pass=hunter2", section="hunter2"))


def test_the_types_known_by_heart_are_those_that_rclone_knows() -> None:
    hidden = {"tardigrade"}  # storj's old name
    assert set(TYPES) == {name for name, _ in known_types()} - READ_ONLY - hidden


def test_every_type_is_a_kind_of_its_own_name() -> None:
    for alias in RcloneBackend.also_called():
        options, _ = make_options(RcloneBackend, {**RcloneBackend.called(alias), "path": "/x"})
        assert options.type.replace(" ", "-") == alias
