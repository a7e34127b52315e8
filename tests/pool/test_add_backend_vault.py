"""The vault: secrets in a file or in the keyring, changed in one step, never lost."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from webraid import config
from webraid.cli.app import main
from webraid.config import Places, PoolSection
from webraid.errors import ConfigError
from webraid.jobs.base.events import Notice
from webraid.jobs.base.vault import FILE, KEYRING, Pending, Vault, lazily, vault_of
from webraid.pool import settings

POOL = "00112233445566778899aabbccddeeff"


class Ring(KeyringBackend):
    """A keyring in memory that can be locked."""

    priority = 1.0  # type: ignore[assignment]  # keyring's own property of the class

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def _ask(self) -> None:
        if self.locked:
            raise KeyringLocked("a text that is not ours: hush")

    def get_password(self, service: str, username: str) -> str | None:
        self._ask()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._ask()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._ask()
        if self.held.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")


@pytest.fixture
def ring() -> Iterator[Ring]:
    before = keyring.get_keyring()
    made = Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """With a config of two disks."""
    there = Places(tmp_path / "config" / "config.toml", tmp_path / "state")
    config.create(there.config, PoolSection(name="home", id=POOL))
    for name in ("b1", "b2"):
        config.put_disk(there.config, config.DiskSection(name, "local", options={"path": str(tmp_path / name)}))
    return there


@pytest.fixture(params=[FILE, KEYRING])
def vault(request: pytest.FixtureRequest, places: Places, ring: Ring) -> Vault:
    config.put_store(places.config, request.param)
    return Vault(places, request.param, POOL)


def filed(places: Places) -> dict[str, dict[str, str]]:
    return config.load_secrets(places.secrets)


# ------------------------------------------------------------------------------------------------------- either store
def test_what_was_put_is_there_and_what_was_removed_is_not(vault: Vault) -> None:
    assert vault.get("b1") == {}
    vault.put("b1", {"key": "K", "token": 'quotes " and ${NAMES} and\nlines'})
    vault.put("b2", {"key": "L"})
    assert vault.all(["b1", "b2", "b3"]) == {
        "b1": {"key": "K", "token": 'quotes " and ${NAMES} and\nlines'}, "b2": {"key": "L"}
    }  # fmt: skip
    vault.put("b1", {})
    assert vault.all(["b1", "b2"]) == {"b2": {"key": "L"}}
    vault.put("b1", {})


def test_an_update_leaves_what_it_does_not_name(vault: Vault) -> None:
    vault.put("b1", {"key": "K", "token": "1"})
    vault.update("b1", {"token": "2"})
    assert vault.get("b1") == {"key": "K", "token": "2"}


def test_two_runs_that_renew_different_secrets_do_not_undo_each_other(vault: Vault) -> None:
    opened = {"one": "1", "two": "1"}
    vault.put("b1", opened)
    here, there = vault.keeper("b1", opened), vault.keeper("b1", opened)
    here({"one": "2", "two": "1"})
    there({"one": "1", "two": "2"})
    here({"one": "3", "two": "1"})
    assert vault.get("b1") == {"one": "3", "two": "2"}


def test_threads_of_many_disks_lose_nothing(vault: Vault) -> None:
    def work(disk: str) -> None:
        for number in range(8):
            vault.update(disk, {f"token-{number}": "x"})

    threads = [threading.Thread(target=work, args=(f"b{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = vault.all([f"b{n}" for n in range(6)])
    assert {disk: len(secrets) for disk, secrets in found.items()} == {f"b{n}": 8 for n in range(6)}


RENEW = """
import sys
from pathlib import Path
from webraid.config import Places
from webraid.jobs.base.vault import Vault
vault = Vault(Places(Path(sys.argv[1]), Path(sys.argv[2])))
for number in range(10):
    vault.update(sys.argv[3], {f"token-{number}": "x"})
"""


def test_processes_lose_nothing(places: Places) -> None:
    words = [sys.executable, "-c", RENEW, str(places.config), str(places.state)]
    started = [subprocess.Popen([*words, f"b{number}"]) for number in range(3)]
    assert [process.wait(30) for process in started] == [0, 0, 0]
    assert {disk: len(secrets) for disk, secrets in filed(places).items()} == {f"b{n}": 10 for n in range(3)}


def test_what_is_renewed_while_a_disk_is_tried_out_is_kept_once_it_is_ours(vault: Vault) -> None:
    pending = Pending()
    keep = pending({"token": "1"})
    keep({"token": "2"})
    assert vault.get("b1") == {}
    assert pending.settle(vault, "b1", {"token": "1", "key": "K"}) == {"token": "2", "key": "K"}
    keep({"token": "3", "key": "K"})
    assert vault.get("b1") == {"token": "3", "key": "K"}


def test_nothing_shows_a_secret(vault: Vault, places: Places) -> None:
    vault.put("b1", {"key": "hush-1"})
    assert "hush" not in repr(vault) + repr(Pending()) + places.config.read_text()
    if places.secrets.exists():
        assert stat.S_IMODE(places.secrets.stat().st_mode) == 0o600
    assert stat.S_IMODE(places.secrets.with_suffix(".lock").stat().st_mode) == 0o600


# ------------------------------------------------------------------------------------------------------------ keyring
def test_the_keyring_holds_one_entry_a_disk_and_the_file_nothing(places: Places, ring: Ring) -> None:
    Vault(places, KEYRING, POOL).put("b1", {"key": "K"})
    assert ring.held == {("webraid", f"{POOL}/b1"): json.dumps({"key": "K"}, separators=(",", ":"))}
    assert filed(places) == {}


def test_secrets_move_to_and_fro(places: Places, ring: Ring) -> None:
    Vault(places, FILE, POOL).put("b1", {"key": "K"})
    assert Vault(places, FILE, POOL).move(KEYRING, ["b1", "b2"]) == 1
    assert (filed(places), len(ring.held)) == ({}, 1)
    assert config.load(places.config, {}).secrets.store == KEYRING
    assert Vault(places, KEYRING, POOL).move(KEYRING, ["b1", "b2"]) == 1
    assert Vault(places, KEYRING, POOL).move(FILE, ["b1", "b2"]) == 1
    assert (filed(places), ring.held) == ({"b1": {"key": "K"}}, {})
    assert config.load(places.config, {}).secrets.store == FILE
    assert [disk.name for disk in config.load(places.config, {}).disks] == ["b1", "b2"]


def test_a_move_that_was_interrupted_goes_on(places: Places, ring: Ring) -> None:
    Vault(places, FILE, POOL).put("b1", {"key": "K"})
    Vault(places, KEYRING, POOL).put("b1", {"key": "K"})
    config.put_secrets(places.secrets, "b1", {"key": "K"})
    config.put_store(places.config, KEYRING)  # it stopped before the file was emptied
    assert vault_of(settings(config_file=str(places.config), environ={})).move(KEYRING, ["b1"]) == 1
    assert (filed(places), len(ring.held)) == ({}, 1)
    config.put_secrets(places.secrets, "b1", {"key": "K"})
    config.put_store(places.config, FILE)  # and the other way round
    assert vault_of(settings(config_file=str(places.config), environ={})).move(FILE, ["b1"]) == 1
    assert (filed(places), ring.held) == ({"b1": {"key": "K"}}, {})


def test_a_config_that_was_changed_by_hand_loses_nothing(places: Places, ring: Ring) -> None:
    config.put_secrets(places.secrets, "b1", {"key": "K"})
    vault = Vault(places, KEYRING, POOL)
    assert vault.get("b1") == {"key": "K"}
    vault.update("b1", {"token": "1"})
    assert (filed(places), vault.get("b1")) == ({}, {"key": "K", "token": "1"})
    back = Vault(places, FILE, POOL)
    assert back.get("b1") == {}
    assert back.move(FILE, ["b1", "b2"]) == 1
    assert (back.get("b1"), ring.held) == ({"key": "K", "token": "1"}, {})


def test_a_locked_keyring_is_said_to_be_locked_and_nothing_changes(places: Places, ring: Ring) -> None:
    vault = Vault(places, KEYRING, POOL)
    vault.put("b1", {"key": "K"})
    ring.locked = True
    for attempt in (
        lambda: vault.get("b1"), lambda: vault.put("b1", {"key": "L"}), lambda: vault.put("b1", {}),
        lambda: vault.move(FILE, ["b1"]),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=r"^the keyring is locked$") as caught:
            attempt()
        assert "Unlock it" in caught.value.hint
    assert filed(places) == {}
    ring.locked = False
    assert vault.get("b1") == {"key": "K"}


def test_a_token_renewed_while_the_keyring_is_locked_waits_in_the_file(places: Places, ring: Ring) -> None:
    events: list[object] = []
    vault = Vault(places, KEYRING, POOL, events.append)
    vault.put("b1", {"key": "K", "token": "1"})
    ring.locked = True
    vault.update("b1", {"token": "hush-2"})
    (notice,) = events
    assert isinstance(notice, Notice)
    assert notice.warning
    assert "renewed login of disk b1 is in" in notice.text
    assert "hush" not in notice.text
    ring.locked = False
    assert vault.get("b1") == {"key": "K", "token": "hush-2"}
    vault.update("b1", {"token": "3"})
    assert (filed(places), vault.get("b1")) == ({}, {"key": "K", "token": "3"})


def test_a_machine_without_a_keyring_says_so_and_keeps_its_file(
    places: Places, ring: Ring, capsys: pytest.CaptureFixture[str]
) -> None:
    config.put_secrets(places.secrets, "b1", {"key": "K"})
    keyring.set_keyring(keyring.backends.fail.Keyring())
    words = ["--config", str(places.config)]
    assert main(["config", "secrets", "keyring", *words]) == 2
    assert "this machine has no keyring that can be used" in capsys.readouterr().err
    assert filed(places) == {"b1": {"key": "K"}}
    assert config.load(places.config, {}).secrets.store == FILE
    assert main(["config", "secrets", "file", *words]) == 0
    assert "The secrets of 1 disk are in" in capsys.readouterr().out


def test_a_keyring_that_forgets_is_not_trusted(places: Places, ring: Ring) -> None:
    config.put_secrets(places.secrets, "b1", {"key": "K"})
    keyring.set_keyring(keyring.backends.null.Keyring())
    with pytest.raises(ConfigError, match="does not keep"):
        Vault(places, FILE, POOL).move(KEYRING, ["b1"])
    assert filed(places) == {"b1": {"key": "K"}}


def test_the_command_moves_them_and_refuses_what_it_does_not_know(
    places: Places, ring: Ring, capsys: pytest.CaptureFixture[str]
) -> None:
    config.put_secrets(places.secrets, "b1", {"key": "hush-1"})
    words = ["--config", str(places.config)]
    assert main(["config", "secrets", "keyring", *words]) == 0
    assert capsys.readouterr().out == "The secrets of 1 disk are in the keyring.\n"
    assert len(ring.held) == 1
    assert main(["config", "secrets", "drawer", *words]) == 2
    assert "Known: file, keyring" in capsys.readouterr().err
    assert main(["config", "show", *words]) == 0
    shown = capsys.readouterr().out
    assert 'store = "keyring"' in shown
    assert "hush" not in shown


def test_an_entry_that_is_not_ours_is_named(places: Places, ring: Ring) -> None:
    ring.held["webraid", f"{POOL}/b1"] = "hush, not JSON"
    with pytest.raises(ConfigError, match="is not what webraid wrote") as caught:
        Vault(places, KEYRING, POOL).get("b1")
    assert "hush" not in str(caught.value)


def test_a_renewal_goes_where_the_config_says_by_then(places: Places, ring: Ring) -> None:
    where = settings(config_file=str(places.config), environ={})
    keep = lazily(where, "b1", {"token": "1"})
    config.put_store(places.config, KEYRING)
    keep({"token": "2"})
    assert len(ring.held) == 1
    assert vault_of(where).get("b1") == {"token": "2"}
    assert tomllib.loads(places.config.read_text())["pool"]["id"] == POOL


def test_before_there_is_a_pool_secrets_go_into_the_file(tmp_path: Path, ring: Ring) -> None:
    where = settings(config_file=str(tmp_path / "c" / "config.toml"), environ={})
    vault_of(where).put("b1", {"key": "K"})
    assert (filed(where.places), ring.held) == ({"b1": {"key": "K"}}, {})


@pytest.mark.parametrize("how", ["put", "update"])
def test_a_run_that_is_killed_between_keyring_and_file_brings_no_old_login_back(
    places: Places, ring: Ring, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    vault = Vault(places, KEYRING, POOL)
    Vault(places, FILE, POOL).put("a", {"token": "old"})  # renewed while the keyring was locked
    keep = ring.set_password

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def kept(service: str, username: str, password: str) -> None:
        keep(service, username, password)
        monkeypatch.setattr("webraid.jobs.base.vault.put_secrets", killed)

    monkeypatch.setattr(ring, "set_password", kept)
    with pytest.raises(KeyboardInterrupt):
        getattr(vault, how)("a", {"token": "new"})
    assert vault.get("a") == {"token": "new"}
