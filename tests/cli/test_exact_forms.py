"""The forms of add-backend that must work unattended, one a kind, each with a real server; and recover likewise."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from tests.cli.forms import KINDS, Form


@pytest.fixture(params=KINDS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    there = tmp_path / "place"
    there.mkdir()
    with KINDS[request.param](there) as made:
        yield made


def test_a_disk_is_added_used_measured_and_recovered_from_unattended(pool: Machine, form: Form, tmp_path: Path) -> None:
    run = pool(*form.words, "--debug", **form.environ)
    assert (run.code, run.err) == (0, "")
    assert f"Disk {form.name} ({form.kind}, domain {form.domain}" in run.out
    assert "the pool has 4 disks and with raid5 survives the loss of any one of 4 disks" in run.out
    (section,) = tomllib.loads((pool.root / "config.toml").read_text())["disk"][3:]
    assert (section["name"], section["kind"], section["domain"]) == (form.name, form.kind, form.domain)
    config = (pool.root / "config.toml").read_text()
    for hidden in form.hidden:
        assert hidden not in config + run.out + run.err
    # From here on nothing is given: cron has no environment.
    (tmp_path / "file").write_bytes(bytes(range(256)) * 9000)
    assert pool("put", tmp_path / "file").code == 0
    assert pool("backend", "speed", form.name).code == 0
    assert pool("backend", "login", form.name).code == 0
    again = pool(*form.words, **form.environ)
    assert again.code == 2
    assert f"there is a disk called '{form.name}' already" in again.err
    twice = pool("add-backend", form.kind, "other", *form.flags, **form.environ)
    assert twice.code == 2
    assert f"this place is a disk of the pool already, called '{form.name}'" in twice.err
    new = {"WEBRAID_CONFIG": str(tmp_path / "new.toml"), "WEBRAID_STATE_DIR": str(tmp_path / "new")}
    back = pool("recover", form.kind, *form.flags, **form.environ, **new)
    assert (back.code, back.err) == (0, "")
    assert pool("get", "-t", tmp_path / "out", **new).code == 0
    assert (tmp_path / "out" / "file").read_bytes() == (tmp_path / "file").read_bytes()
    assert pool("backend", "rm", form.name, "--force").code in (0, 20)  # as its stripe lies there or not
    assert form.name not in tomllib.loads((pool.root / "config.toml").read_text())["disk"][-1].values()
    assert not (pool.root / "secrets.toml").exists() or form.name not in (pool.root / "secrets.toml").read_text()
