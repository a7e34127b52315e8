"""config check, and get's refusals, as people see them."""

from __future__ import annotations

from tests.cli.conftest import Machine


def test_config_check_tells_all_that_is_wrong_and_does_not_name_itself_as_the_way_on(pool: Machine) -> None:
    assert pool("config", "check").code == 0
    path = pool.root / "config.toml"
    text = path.read_text()
    path.write_text(text + '[check]\nsample = "some"\n[prune]\nbrake = "200%"\n')
    both = pool("config", "check")
    assert both.code == 2 and "[check] sample" in both.err and "[prune] brake" in both.err and str(path) in both.err
    path.write_text(text.replace("version = 1", "version = 2"))
    assert pool("config", "check").code == 2
    path.write_text(text + "[idle\n")
    broken = pool("config", "check")
    assert broken.code == 2 and "webraid config check" not in broken.err and "config.example.toml" in broken.err


def test_a_word_that_is_neither_snapshot_nor_path_is_said_to_be_so(pool: Machine) -> None:
    (pool.root / "letter").write_text("dear all\n")
    assert pool("put", pool.root / "letter").code == 0
    said = pool("get", "nonsnap", "-t", pool.root / "o")
    assert said.code == 1 and "'nonsnap' is neither a snapshot nor a path" in said.err
    assert not (pool.root / "o").exists()
    none = pool("get", "--include", "zzz", "-t", pool.root / "o")
    assert none.code == 1 and "--include" in none.err and not (pool.root / "o").exists()
