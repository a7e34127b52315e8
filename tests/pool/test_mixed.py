"""raid6 over seven kinds of disk through their real SDKs: tokens that expire, slow, hung, busy and full clouds."""

from __future__ import annotations

from pathlib import Path

from tests.pool.mixed import NAMES, Mixed, calm, plant
from webraid.errors import EXIT_DEGRADED, EXIT_OK, EXIT_QUOTA


def test_all_kinds_together_give_everything_back(clouds: Mixed, stored: Path, tmp_path: Path) -> None:
    assert clouds.get(stored, tmp_path / "out") == (EXIT_OK, [])
    calm(clouds.requests)
    with clouds.pool() as opened:
        checked = opened.check(read_data=True)
    assert checked.exit_code == EXIT_OK, checked
    assert {disk.name for disk in checked.disks} == set(NAMES)


def test_tokens_that_expire_in_the_middle_are_renewed(clouds: Mixed, stored: Path, tmp_path: Path) -> None:
    def expire() -> None:
        clouds.drive.oauth.expire()
        clouds.dropbox.oauth.expire()

    fresh = plant(tmp_path / "fresh", 12 << 20)
    assert clouds.put(fresh, expire) == EXIT_OK
    assert clouds.get(fresh, tmp_path / "out", expire) == (EXIT_OK, [])
    calm(clouds.requests)


def test_a_cloud_that_asks_for_patience_all_the_time_is_not_stormed(
    clouds: Mixed, stored: Path, tmp_path: Path
) -> None:
    fresh = plant(tmp_path / "fresh")
    before = clouds.dropbox.requests()
    with clouds.dropbox.fault("limited_for_7"):
        assert clouds.put(fresh) == EXIT_DEGRADED
        assert clouds.get(fresh, tmp_path / "out") == (EXIT_OK, [])
    assert clouds.dropbox.requests() - before < 60


def test_a_slow_cloud_holds_nobody_up_for_good(clouds: Mixed, stored: Path, tmp_path: Path) -> None:
    fresh = plant(tmp_path / "fresh")
    with clouds.gates["dav"].being("slow"):
        assert clouds.put(fresh) in (EXIT_OK, EXIT_DEGRADED)
        assert clouds.get(fresh, tmp_path / "out") == (EXIT_OK, [])
    calm(clouds.requests)


def test_a_cloud_that_hangs_is_left_behind(clouds: Mixed, stored: Path, tmp_path: Path) -> None:
    with clouds.gates["bucket"].being("hung"), clouds.gates["drive"].being("hung"):
        assert clouds.get(stored, tmp_path / "out") == (EXIT_OK, [])


def test_a_cloud_that_is_full_in_the_middle_of_a_put_loses_nothing(clouds: Mixed, stored: Path, tmp_path: Path) -> None:
    def full() -> None:
        clouds.drive.store.quota = 1

    fresh = plant(tmp_path / "fresh", 12 << 20)
    try:
        assert clouds.put(fresh, full) in (EXIT_OK, EXIT_DEGRADED, EXIT_QUOTA)
        calm(clouds.requests)
        with clouds.without("folder"):  # one of two losses is used up
            code, differences = clouds.get(fresh, tmp_path / "out")
    finally:
        clouds.drive.store.quota = 15 << 30
    assert (code, differences) == (EXIT_OK, [])


def test_an_empty_machine_gets_everything_back_from_any_kind(clouds: Mixed, stored: Path, tmp_path: Path) -> None:
    from tests.pool.machine import PASSPHRASE, Home
    from webraid.pool import recover_pool

    home = Home(tmp_path / "empty")
    options = {"path": str(clouds.folders["folder"])}
    recovered, opened = recover_pool(home.settings, kind="local", options=options, secret=PASSPHRASE)
    opened.close()
    assert sorted(recovered.disks) == sorted(NAMES)
    other = Mixed(home, clouds.drive, clouds.dropbox, clouds.gates, clouds.folders)
    with clouds.without("folder", "rclone"):
        assert other.get(stored, tmp_path / "out") == (EXIT_OK, [])
