"""key and device: what they print, what they ask, how they end."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import CHEAP, PASSPHRASE, Machine
from tests.cli.terminal import Terminal
from webraid.codec.keys import KdfParams, is_recovery_code, passphrase_bits
from webraid.errors import ConfigError
from webraid.jobs.access import keys, kit

NEW = "gravel hinge ivory jacket kettle lemon mango"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """New passphrases cost as little as the others of these tests."""
    monkeypatch.setattr(keys, "KdfParams", partial(KdfParams, CHEAP.memory_kib, CHEAP.passes, CHEAP.lanes))


@pytest.fixture
def new(machine: Machine) -> Path:
    (machine.root / "new").write_text(NEW + "\n")
    return machine.root / "new"


@pytest.fixture
def second(pool: Machine) -> Callable[..., dict[str, str]]:
    """Another machine of the pool: what its shell exports."""

    def join(name: str, *more: str) -> dict[str, str]:
        folder = pool.root / name
        where = {"WEBRAID_CONFIG": str(folder / "config.toml"), "WEBRAID_STATE_DIR": str(folder / "state")}
        run = pool("recover", "local", "--path", pool.root / "d1", "--machine", name, *more, **where)
        assert run.code == 0, run.err
        return where

    return join


def ids(machine: Machine, kind: str) -> list[str]:
    return [item["id"] for item in machine("key", "ls", "--json").document["keys"] if item["kind"] == kind]


def test_keys_are_added_listed_and_removed(pool: Machine, new: Path) -> None:
    (first,) = ids(pool, "passphrase")
    run = pool("key", "add", "--label", "ann", "--new-password-file", new)
    assert run.code == 0 and "opens the pool, too" in run.out
    run = pool("key", "ls")
    assert "ann" in run.out and "recovery code" in run.out and first in run.out
    assert pool("key", "rm", first, "-n").code == 0 and first in ids(pool, "passphrase")
    run = pool("key", "rm", first)
    assert run.code == 1 and "opens only the slot that is to go" in run.err
    assert pool("key", "rm", first, "-p", new).code == 0
    assert pool("key", "add", "--new-password-file", new).code == 12
    assert pool("key", "rm", "zz", "-p", new).code == 1


def test_the_passphrase_changes(pool: Machine, new: Path) -> None:
    assert pool("key", "passwd", "--new-password-file", new).code == 0
    where = {"WEBRAID_CONFIG": str(pool.root / "b" / "c"), "WEBRAID_STATE_DIR": str(pool.root / "b")}
    words = ("recover", "local", "--path", pool.root / "d2")
    assert pool(*words, **where).code == 12
    assert pool(*words, "-p", new, **where).code == 0


def test_without_a_terminal_a_new_passphrase_must_be_given(pool: Machine, new: Path) -> None:
    run = pool("key", "passwd")
    assert run.code == 12 and "--new-password-file" in run.err
    (pool.root / "weak").write_text("hunter2")
    run = pool("key", "add", "--new-password-file", pool.root / "weak")
    assert run.code == 2 and "quickly guessed" in run.err and "hunter2" not in run.err
    assert pool("key", "add", "--new-password-file", new, "--new-password-command", "cat").code == 2


def test_somebody_at_a_terminal_is_asked_twice(pool: Machine) -> None:
    there = Terminal(pool, "key", "passwd")
    there.read("Passphrase, or Enter")
    there.type(NEW)
    there.read("once more")
    there.type(NEW)
    assert there.end() == 0
    assert NEW not in there.text
    (pool.root / "pw").write_text(NEW)
    assert pool("key", "ls").code == 0 and pool("key", "kit", "-q").code == 0


def test_a_kit_is_text_on_the_screen_and_a_page_in_a_file(pool: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = kit.segno.make

    def make(content: str, **how: object) -> object:
        made.append(content)
        return real(content, **how)

    monkeypatch.setattr(kit.segno, "make", make)
    run = pool("key", "kit", pool.root / "kit.html")
    page = (pool.root / "kit.html").read_text()
    assert run.code == 0 and (pool.root / "kit.html").stat().st_mode & 0o777 == 0o600
    code = re.search(r'class="code">(.*?)</div>', page)
    assert code and is_recovery_code(code[1].replace("<br>", "-"))
    assert made[0].splitlines()[1] == f"code {code[1].replace('<br>', '-')}"
    assert str(pool.root / "d1") in made[0] and made[0] not in page  # drawn, not spelled out
    assert "<svg" in page and "viewBox" in page and "@page" in page and "<script" not in page
    assert "http" not in re.sub(r'xmlns="[^"]*"|http-equiv', "", page)  # it needs nothing from elsewhere
    assert code[1].split("<br>")[0] not in run.out + run.err
    run = pool("key", "kit", pool.root / "kit.html")
    assert run.code == 2 and "exists already" in run.err
    run = pool("key", "kit")
    assert "Recovery code" in run.out and len(ids(pool, "recovery code")) == 3
    run = pool("key", "kit", "--revoke-old", "--json")
    assert is_recovery_code(run.document["recovery_code"]) and len(ids(pool, "recovery code")) == 1


def test_the_terminals_qr_code_is_the_code_and_the_pool() -> None:
    made = kit.Kit("home", "00" * 16, "ABCD-" * 7 + "EFGH")
    assert made.payload(disks=False).splitlines() == [
        "WEBRAID RECOVERY KIT", f"code {'ABCD-' * 7}EFGH", f"pool {'00' * 16}", "name home"
    ]  # fmt: skip
    lines = made.qr().splitlines()
    assert 15 < len(lines) < 40 and len({len(line) for line in lines}) == 1


def test_names_in_a_kit_are_no_markup() -> None:
    disk = kit.Place("<b>", "local", kit.command_for("local", {"path": "/a b/<i>&", "flag": True, "none": ""}))
    assert disk.command == "webraid recover local --path '/a b/<i>&' --flag"
    page = kit.Kit("<script>", "00", "ABCD-" * 7 + "EFGH", disks=(disk,)).page()
    assert "<script>" not in page and "<b>&lt;script&gt;</b>" in page and "<i>" not in page


def test_the_name_of_the_file_says_what_a_kit_becomes(tmp_path: Path) -> None:
    made = kit.Kit("home", "00" * 16, "ABCD-" * 7 + "EFGH", date=kit.today(0.0))
    for name, begins in (("kit.html", "<!doctype html>"), ("kit.txt", "WebRAID recovery kit")):
        made.write(tmp_path / name)
        assert (tmp_path / name).read_text().startswith(begins)
        with pytest.raises(ConfigError, match="exists already"):
            made.write(tmp_path / name)
    assert "1970-01-01" in made.text()


def test_a_lost_machine_is_revoked(pool: Machine, second: Callable[..., dict[str, str]], new: Path) -> None:
    laptop = second("laptop")
    run = pool("key", "revoke", "laptop", "-n")
    assert run.code == 0 and "would be removed" in run.out and "laptop" in pool("device", "ls").out
    run = pool("key", "revoke", "laptop", "--new-password-file", new, "--kit", pool.root / "new.html")
    assert run.code == 0
    assert "Machine laptop is removed" in run.out and "1. d1 (local)" in run.out and "kit is in" in run.out
    assert "removed" in pool("device", "ls").out
    (pool.root / "file").write_text("later")
    assert pool("put", pool.root / "file").code == 0
    run = pool("put", pool.root / "file", **laptop)
    assert run.code == 1 and "was removed from the pool" in run.err and "webraid recover" in run.err
    assert pool("snapshots", "--json", **laptop).code == 0
    assert pool("key", "rotate", "--keep-passphrase").code == 12  # the old one is none any more
    run = pool("key", "rotate", "--keep-passphrase", "-p", new, "--json")
    assert run.code == 0 and run.document["epoch"] == 2 and is_recovery_code(run.document["recovery_code"])


def test_an_append_only_machine_is_held_to_it(pool: Machine, second: Callable[..., dict[str, str]]) -> None:
    nas = second("nas", "--rights", "append")
    (pool.root / "file").write_text("content")
    assert pool("put", pool.root / "file", **nas).code == 0
    run = pool("backend", "rm", "d1", **nas)
    assert run.code == 1 and "no right" in run.err and "device rights nas" in run.err
    assert pool("add-backend", "local", "d4", "--path", pool.root / "d4", **nas).code == 1
    for words in (["forget", "--keep-last", "1"], ["prune"], ["tag", "latest", "--add", "kept"]):
        run = pool(*words, **nas)
        assert run.code == 1 and "no right" in run.err, (words, run.out, run.err)
    run = pool("device", "rights", "nas", "append,forget,sweep")
    assert run.code == 0 and "nas may: append, forget, sweep." in run.out
    assert pool("add-backend", "local", "d4", "--path", pool.root / "d4", **nas).code == 0
    assert pool("device", "rights", "nas", "fly").code == 2
    assert pool("recover", "local", "--path", pool.root / "d1", "--rights", "sweep", **nas).code == 2


def test_an_old_machine_is_removed(pool: Machine, second: Callable[..., dict[str, str]]) -> None:
    second("old")
    assert pool("device", "rm", "old", "--dry-run").code == 0
    run = pool("device", "ls", "--json")
    assert [item["removed"] for item in run.document["devices"] if item["name"] == "old"] == [False]
    run = pool("device", "rm", "old", "--json")
    assert run.code == 0 and run.document["name"] == "old" and run.document["seq"] == 1
    assert pool("device", "rm", "old").code == 1


def test_an_emergency_file_brings_the_pool_to_an_empty_machine(pool: Machine) -> None:
    run = pool("key", "export", pool.root / "pool.keys", "--json")
    assert run.code == 0 and run.document["size"] == (pool.root / "pool.keys").stat().st_size
    where = {"WEBRAID_CONFIG": str(pool.root / "b" / "c"), "WEBRAID_STATE_DIR": str(pool.root / "b")}
    run = pool("key", "import", pool.root / "pool.keys", **where)
    assert run.code == 0 and "is back on this machine" in run.out
    assert pool("key", "import", pool.root / "pool.keys").code == 0
    assert pool("key", "import", pool.root / "pw").code == 2


def test_passphrases_are_made_up(machine: Machine) -> None:
    one, two = machine("key", "passphrase").out.strip(), machine("key", "passphrase").out.strip()
    assert one != two and passphrase_bits(one) > 60 and len(one.split()) == 7


def test_no_key_command_lets_a_passphrase_out(pool: Machine, new: Path) -> None:
    for words in (["add"], ["passwd"], ["rotate"]):
        run = pool("key", *words, "--new-password-file", new, "--json", "--debug")
        assert PASSPHRASE not in run.out + run.err and NEW not in run.out + run.err
        (pool.root / "pw").write_text(NEW)


@pytest.mark.parametrize("words", [("key", "kit"), ("key", "rotate", "--keep-passphrase", "--kit")])
def test_nothing_changes_where_the_kit_cannot_be_written(pool: Machine, words: tuple[str, ...]) -> None:
    before = pool("key", "ls", "--json").document["keys"]
    (pool.root / "plain").write_text("a file, and no folder")
    for place in (pool.root / "plain" / "kit.html", Path("/proc/none/kit.html")):
        run = pool(*words, str(place))
        assert run.code != 0 and "cannot be written" in run.err
    assert pool("key", "ls", "--json").document["keys"] == before
