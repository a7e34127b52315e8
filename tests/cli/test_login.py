"""The login stage of add-backend, recover and 'backend login', with a kind of disk that has one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli.attic import PAGE, shut
from tests.cli.conftest import Machine
from tests.cli.terminal import Terminal


def told(machine: Machine) -> str:
    """Everything that a curious person finds in the clear besides the secrets' own file."""
    return (machine.root / "config.toml").read_text()


def secrets(machine: Machine, name: str) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((machine.root / "secrets.toml").read_text())[name]
    return found


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("open-1\n")
    return tmp_path / "token"


@pytest.fixture
def added(pool: Machine, attic: Path, token: Path) -> Machine:
    assert pool("add-backend", "attic", "a1", "--path", attic, "--token-file", token).code == 0
    return pool


def empty(machine: Machine) -> dict[str, str]:
    """Another machine's places."""
    return {
        "WEBRAID_CONFIG": str(machine.root / "new" / "config.toml"),
        "WEBRAID_STATE_DIR": str(machine.root / "new" / "state"),
    }


def test_what_a_login_finds_out_goes_into_the_config_and_its_secrets_do_not(added: Machine) -> None:
    (section,) = [disk for disk in tomllib.loads(told(added))["disk"] if disk["name"] == "a1"]
    assert section["account"] == "me"
    assert "open-1" not in told(added)
    assert secrets(added, "a1") == {"token": "open-1"}
    assert (added.root / "secrets.toml").stat().st_mode & 0o777 == 0o600


def test_a_login_that_nobody_can_give_is_said_before_anything_is_done(pool: Machine, attic: Path) -> None:
    run = pool("add-backend", "attic", "a1", "--path", attic)
    assert (run.code, run.out) == (2, "")
    assert "an attic needs a login" in run.err
    assert "--token-file" in run.err
    assert list(attic.iterdir()) == []
    assert '"a1"' not in told(pool)
    assert not (pool.root / "secrets.toml").exists()


def test_a_wrong_token_changes_nothing_and_the_right_one_then_works(pool: Machine, attic: Path, token: Path) -> None:
    token.write_text("wrong")
    run = pool("add-backend", "attic", "a1", "--path", attic, "--token-file", token)
    assert run.code == 23
    assert "the token is not accepted" in run.err
    assert "wrong" not in run.err
    assert '"a1"' not in told(pool)
    assert not (pool.root / "secrets.toml").exists()
    assert pool("backend", "ls").out.count("local") == 3
    token.write_text("open-1")
    assert pool("add-backend", "attic", "a1", "--path", attic, "--token-file", token).code == 0


def test_a_login_at_the_terminal_asks_tells_and_hides_what_is_typed(pool: Machine, attic: Path) -> None:
    there = Terminal(pool, "add-backend", "attic", "a1", "--path", attic, columns=80, DISPLAY="")
    there.read("floor [2]: ")
    assert f"Open {PAGE}" in there.text
    assert "  1  1  the first" in there.text
    there.type("5")
    there.read("floor [2]: ")
    assert "'5' is none of them." in there.text
    there.type("1")
    there.read("The code of floor 1 (not shown): ")
    there.type("open-1")
    assert there.end() == 0
    assert "Disk a1 (attic, domain a1" in there.text
    assert "Free there: 5 GB, shared with the moths." in there.text
    assert "open-1" not in there.text
    assert max(map(len, there.text.splitlines())) <= 80


def test_a_login_that_works_is_kept_as_it_is(added: Machine) -> None:
    run = added("backend", "login", "a1")
    assert (run.code, run.err) == (0, "")
    assert "The login of a1 works" in run.out
    assert secrets(added, "a1") == {"token": "open-1"}


@pytest.mark.parametrize("words", [["backend", "login"], ["login"]])
def test_an_expired_login_is_renewed_unattended(added: Machine, attic: Path, token: Path, words: list[str]) -> None:
    shut(attic, "open-2")
    assert added(*words, "a1").code == 23
    token.write_text("open-2")
    run = added(*words, "a1", "--token-file", token)
    assert (run.code, run.err) == (0, "")
    assert secrets(added, "a1") == {"token": "open-2"}
    assert added("backend", "ls").out.count("online") == 4


def test_an_expired_login_is_renewed_at_the_terminal(added: Machine, attic: Path) -> None:
    shut(attic, "open-2")
    there = Terminal(added, "backend", "login", "a1", DISPLAY="")
    there.read("floor [2]: ")
    there.type("")
    there.read("(not shown): ")
    there.type("open-2")
    assert there.end() == 0
    assert secrets(added, "a1") == {"token": "open-2"}


def test_a_renewed_login_that_is_refused_leaves_the_old_one(added: Machine, token: Path) -> None:
    token.write_text("mistaken")
    assert added("backend", "login", "a1", "--token-file", token).code == 23
    assert secrets(added, "a1") == {"token": "open-1"}
    assert added("backend", "ls").out.count("online") == 4


def test_a_login_to_another_place_is_refused(added: Machine, tmp_path: Path) -> None:
    shut(tmp_path / "other", "open-1")
    run = added("backend", "login", "a1", "--path", tmp_path / "other")
    assert run.code == 2
    assert "leads to another place than disk 'a1'" in run.err
    assert str(tmp_path / "other") not in told(added)


def test_an_empty_machine_finds_the_renewed_login(added: Machine, attic: Path, token: Path) -> None:
    shut(attic, "open-2")
    token.write_text("open-2")
    assert added("login", "a1", "--token-file", token).code == 0
    run = added("recover", "local", "--path", added.root / "d1", **empty(added))
    assert (run.code, run.err) == (0, "")
    assert "a1" in run.out
    assert "out of reach" not in run.out
    assert (added.root / "new" / "secrets.toml").read_text().count("open-2") == 1


def test_recover_logs_in_with_the_same_flags(added: Machine, attic: Path, token: Path) -> None:
    refused = added("recover", "attic", "--path", attic, **empty(added))
    assert refused.code == 2
    assert "an attic needs a login" in refused.err
    run = added("recover", "attic", "--path", attic, "--token-file", token, **empty(added))
    assert (run.code, run.err) == (0, "")
    there = tomllib.loads((added.root / "new" / "secrets.toml").read_text())
    assert there == {"a1": {"token": "open-1"}}


def test_recover_asks_at_the_terminal_for_login_and_passphrase(added: Machine, attic: Path) -> None:
    other = added.without("WEBRAID_PASSWORD_FILE")
    there = Terminal(other, "recover", "attic", "--path", attic, DISPLAY="", **empty(added))
    there.read("floor [2]: ")
    there.type("2")
    there.read("(not shown): ")
    there.type("open-1")
    there.read("Passphrase or recovery code (not shown): ")
    there.type((added.root / "pw").read_text().strip())
    assert there.end() == 0
    assert "Pool own is back" in there.text


def test_a_token_that_is_renewed_while_the_disk_is_added_is_the_one_that_is_kept(
    pool: Machine, attic: Path, token: Path
) -> None:
    shut(attic, "open-1", "open-2")
    assert pool("add-backend", "attic", "a1", "--path", attic, "--token-file", token).code == 0
    assert secrets(pool, "a1") == {"token": "open-2"}
    shut(attic, "open-2", "open-3")
    assert pool("check").code == 0
    assert secrets(pool, "a1") == {"token": "open-3"}


def test_a_token_that_is_renewed_while_a_pool_is_recovered_is_kept_under_the_disks_name(
    added: Machine, attic: Path, token: Path
) -> None:
    shut(attic, "open-1", "open-2")
    assert added("recover", "attic", "--path", attic, "--token-file", token, **empty(added)).code == 0
    there = tomllib.loads((added.root / "new" / "secrets.toml").read_text())
    assert there == {"a1": {"token": "open-2"}}


def test_secrets_that_got_lost_here_are_taken_from_the_log(added: Machine) -> None:
    (added.root / "secrets.toml").unlink()
    assert "unreachable" in added("backend", "ls").out
    assert added("backend", "login", "a1").code == 0
    assert secrets(added, "a1") == {"token": "open-1"}


def test_another_word_for_a_kind_means_the_kind_that_covers_it(pool: Machine, attic: Path, token: Path) -> None:
    assert pool("add-backend", "loft", "--path", attic, "--token-file", token).code == 0
    (section,) = [disk for disk in tomllib.loads(told(pool))["disk"] if disk["kind"] == "attic"]
    assert (section["region"], section["name"]) == ("north", "loft")
    assert "Did you mean 'loft'?" in pool("add-backend", "lofft", "--path", attic).err


def test_an_expired_password_of_a_kind_without_a_login_is_asked_for(added: Machine) -> None:
    there = Terminal(added, "backend", "login", "d1")
    assert there.end() == 0  # nothing is asked where nothing is refused
    assert "The login of d1 works" in there.text


def test_a_secret_that_the_config_takes_from_the_environment_stays_there(added: Machine, attic: Path) -> None:
    config = added.root / "config.toml"
    config.write_text(told(added).replace('account = "me"', 'account = "me"\ntoken = "${ATTIC}"'))
    (added.root / "secrets.toml").write_text("")
    assert added("backend", "login", "a1", ATTIC="open-1").code == 0
    assert 'token = "${ATTIC}"' in told(added)
    assert "[a1]" not in (added.root / "secrets.toml").read_text()
    shut(attic, "open-2")
    assert added("backend", "login", "a1", "--token-env", "NEW", ATTIC="open-1", NEW="open-2").code == 0
    assert "ATTIC" not in told(added)
    assert secrets(added, "a1") == {"token": "open-2"}
