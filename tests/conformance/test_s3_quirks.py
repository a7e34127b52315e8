"""webraid_s3 and what providers are known for: one write a second of a name, no quota, misleading refusals."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import servers
from tests.conformance.canned import KEYS, Answer, Canned, refusal
from tests.conformance.canned import s3_options as options
from tests.conformance.test_s3_transfer import etag
from tests.pool.machine import Home
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import digest_of
from webraid.backend.disk import Disk
from webraid.env import Env
from webraid.errors import EXIT_DEGRADED, EXIT_OK, PermissionDenied, QuotaExceeded, Unavailable
from webraid_s3 import S3Backend

SubjectOf = Callable[[str], Subject]
DATA = b"0123456789"
SLOWER = "Reduce your concurrent request rate for the same object."


@pytest.mark.parametrize("provider", ["r2", "gcs"])
def test_a_provider_that_takes_one_write_a_second_of_a_name_is_waited_for(provider: str, canned: Canned) -> None:
    """Nothing above counts the seconds: names are written once, and for the few hints the refusal does."""
    slept: list[float] = []
    env = replace(Env(), sleep=slept.append)
    place = options(endpoint=canned.endpoint, provider=provider)
    disk = Disk(provider, lambda: S3Backend.connect(place, KEYS), env=env, threads=1)
    refused = refusal(429, "TooManyRequests", SLOWER) if provider == "r2" else refusal(503, "SlowDown", SLOWER)
    canned.answers[:] = [etag(DATA), refused, refused, etag(DATA)]
    try:
        for _ in range(2):
            assert disk.put("hint", DATA, digest=digest_of(DATA)).result(30).verified
        assert disk.caps.min_interval_same_key == 1.0
    finally:
        disk.close(5)
    assert [method for method, *_ in canned.seen] == ["PUT"] * 4
    assert sum(slept) >= 0.4, "two waits, of a fifth of a second or more"


def test_a_missing_object_that_the_server_will_not_speak_of_is_not_called_missing(
    canned: Canned, bucket: S3Backend
) -> None:
    """S3 answers 403 for what is missing where the key may not list: silence is not absence."""
    canned.answers[:] = [refusal(403, "AccessDenied")]
    actions: tuple[Callable[[], Any], ...] = (lambda: bucket.get("a"), lambda: bucket.stat("a"), bucket.prepare)
    for action in actions:
        with pytest.raises(PermissionDenied) as caught:
            action()
        assert "right to list" in caught.value.hint


def test_a_put_that_a_newer_one_overtook_is_worth_another_try(canned: Canned, bucket: S3Backend) -> None:
    """Swift answers it with 200 and no ETag; a page of a hotel has neither ETag nor a request's id."""
    canned.answers[:] = [Answer(headers={"x-amz-request-id": "tx1"})]
    with pytest.raises(Unavailable, match="does not say that it stored"):
        bucket.put("a", DATA, digest=digest_of(DATA))


def test_a_bucket_holds_no_more_than_its_capacity_although_s3_tells_no_quota(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    machine = Home(tmp_path / "home").make("rs:2+1", 0)
    with servers.moto() as server, machine.open() as pool:
        keys = {"access_key": server.access_key, "secret_key": server.secret_key}
        for number in (1, 2):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))}, capacity=400_000)
        place = {"bucket": "small", "endpoint": server.endpoint, **keys}
        pool.add_backend("s3", "small", place, capacity=400_000)
        with pytest.raises(QuotaExceeded, match="no room") as told:
            for number in range(5):  # a megabyte and its parity: 500,000 bytes a disk at least
                (tree / f"{number}.bin").write_bytes(os.urandom(200_000))
                assert pool.put([str(tree)]).exit_code in (EXIT_OK, EXIT_DEGRADED)
        reader = S3Backend.connect(options(bucket="small", endpoint=server.endpoint), keys)
        with contextlib.closing(reader):
            stored = sum(found.size for found in reader.list("shards/"))
        (small,) = (disk for disk in pool.status().disks if disk.name == "small")
    assert "small" in str(told.value)
    assert 100_000 < stored < 440_000, "but for the table's own packs, which every disk takes"
    assert small.capacity == 400_000
    assert small.free == max(0, 400_000 - small.stored)
