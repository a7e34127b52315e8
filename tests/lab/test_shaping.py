"""Does the shaping keep its word?  Expected times follow from the model in docs/lab.md, with plain sockets.

A busy machine only ever adds time, so the best of a few runs counts; too fast is wrong at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from webraid.lab import Group, Lab, LinkSpec, Profile, start

RUNS = 5
FLOOR = 0.015  # seconds; below it a loaded machine's timers count, not the model
SHAPED = LinkSpec(up=4e6, down=4e6, rtt=0.03, check_keys=False)


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    at_home = SHAPED.changed({"group": "home"})
    clouds = {"slow": SHAPED.changed({"up": "2M", "down": "2M", "rtt": "60ms"}), "fast": SHAPED, "plain": SHAPED}
    profile = Profile("shaped", {**clouds, "h1": at_home, "h2": at_home}, {"home": Group(up=2e6)})
    lab = start(tmp_path_factory.mktemp("lab") / "shaped", profile)
    yield lab
    lab.destroy()


def within(expected: float, share: float, work: Callable[[], float]) -> None:
    times, off = [], max(expected * share, FLOOR)
    for _ in range(RUNS):
        times.append(work())
        assert times[-1] > expected - off, f"faster than the model: {times[-1]:.3f} < {expected:.3f} s"
        if times[-1] < expected + off:
            return
    raise AssertionError(f"expected {expected:.3f} s, the best of {RUNS} runs took {min(times):.3f} s")


def together(*works: Callable[[], object]) -> float:
    """Seconds until all have ended, each in a thread of its own."""
    done: list[object] = []
    threads = [threading.Thread(target=lambda work=work: done.append(work())) for work in works]
    before = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - before
    assert done == [200] * len(works)
    return took


@pytest.fixture
def transfer(shaped: Lab, raw: Callable[..., Any]) -> Callable[..., Callable[[], int]]:
    """transfer('PUT', cloud, bytes, key): work that does it on a new connection and returns the status."""
    clouds = {cloud.name: cloud for cloud in shaped.clouds}

    def prepare(method: str, name: str, size: int, key: str = "k") -> Callable[[], int]:
        def work() -> int:
            status, _, data = raw(clouds[name]).ask(method, f"/lab/{key}", bytes(size) if method == "PUT" else b"")
            assert method == "PUT" or len(data) == size
            return int(status)

        return work

    return prepare


def test_up_and_down_keep_their_rates(transfer: Callable[..., Any]) -> None:
    size = 1_000_000
    expected = size / 4e6 + 3 * 0.03
    for method in ("PUT", "GET"):
        within(expected, 0.1, partial(together, transfer(method, "fast", size)))


def test_connections_share_the_rate_of_their_cloud(transfer: Callable[..., Any]) -> None:
    size = 200_000
    for method in ("PUT", "GET"):
        works = [transfer(method, "slow", size, f"k{number}") for number in range(3)]
        within(3 * size / 2e6 + 3 * 0.06, 0.1, partial(together, *works))


def test_clouds_do_not_take_bandwidth_from_each_other(transfer: Callable[..., Any]) -> None:
    works = [transfer("PUT", "fast", 1_000_000), transfer("PUT", "plain", 1_000_000)]
    within(1_000_000 / 4e6 + 3 * 0.03, 0.1, partial(together, *works))


def test_clouds_of_one_group_share_its_uplink_but_not_their_downlinks(transfer: Callable[..., Any]) -> None:
    size = 400_000
    works = [transfer("PUT", "h1", size), transfer("PUT", "h2", size)]
    within(2 * size / 2e6 + 3 * 0.03, 0.1, partial(together, *works))
    size = 600_000
    together(transfer("PUT", "h1", size), transfer("PUT", "h2", size))
    works = [transfer("GET", "h1", size), transfer("GET", "h2", size)]
    within(size / 4e6 + 3 * 0.03, 0.1, partial(together, *works))


def test_a_request_costs_its_round_trip_and_a_connection_two_more(shaped: Lab, raw: Callable[..., Any]) -> None:
    cloud = shaped.cloud("slow")

    def first() -> float:
        before = time.perf_counter()
        assert raw(cloud).ask("HEAD", "/lab")[0] == 200
        return time.perf_counter() - before

    line = raw(cloud)
    line.ask("HEAD", "/lab")

    def again() -> float:
        before = time.perf_counter()
        line.ask("HEAD", "/lab")
        return time.perf_counter() - before

    within(3 * 0.06, 0.1, first)
    within(0.06, 0.1, again)


def test_a_slow_request_gets_a_tenth_of_the_rate(shaped: Lab, transfer: Callable[..., Any]) -> None:
    together(transfer("PUT", "plain", 100_000))
    shaped.tune("plain", tail_rate=1)
    try:
        within(3 * 0.03 + 9 * 0.03 + 100_000 / 4e5, 0.1, lambda: together(transfer("GET", "plain", 100_000)))
    finally:
        shaped.restore("plain")


def test_a_slowed_cloud_has_a_tenth_of_its_rate(shaped: Lab, transfer: Callable[..., Any]) -> None:
    together(transfer("PUT", "plain", 100_000))
    shaped.slow("plain")
    try:
        within(3 * 0.03 + 100_000 / 4e5, 0.1, lambda: together(transfer("GET", "plain", 100_000)))
    finally:
        shaped.restore("plain")
