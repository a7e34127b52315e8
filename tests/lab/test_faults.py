"""Every way a cloud can go wrong, seen through boto's own client."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)

from webraid.errors import ConfigError
from webraid.lab import Lab
from webraid.lab.store import object_path

ClientOf = Callable[..., Any]


def code(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def put(s3: Any, key: str = "k", data: bytes = b"bytes") -> None:
    s3.put_object(Bucket="lab", Key=key, Body=data)


def get(s3: Any, key: str = "k", **wish: Any) -> bytes:
    data: bytes = s3.get_object(Bucket="lab", Key=key, **wish)["Body"].read()
    return data


def served(s3: Any) -> bool:
    try:
        return get(s3) == b"bytes"
    except ClientError:
        return False


def state(lab: Lab) -> str:
    return lab.cloud("one").state


def test_a_killed_cloud_refuses_and_comes_back_with_its_data(s3: Any, lab: Lab) -> None:
    put(s3)
    lab.kill("one")
    assert state(lab) == "killed"
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        get(s3)
    with pytest.raises(EndpointConnectionError):
        get(s3)
    lab.kill("one")
    lab.restore("one")
    assert state(lab) == "up"
    assert get(s3) == b"bytes"


def test_a_killed_cloud_does_not_touch_the_others(s3: Any, lab: Lab, client_of: ClientOf) -> None:
    lab.kill("one")
    other = client_of(lab.cloud("two"))
    put(other)
    assert get(other) == b"bytes"


def test_a_hung_cloud_is_silent_and_goes_on_when_restored(lab: Lab, client_of: ClientOf) -> None:
    s3 = client_of(lab.cloud("one"), read_timeout=0.2)
    put(s3)
    lab.hang("one")
    assert state(lab) == "hung"
    for _ in range(2):  # on the connection at hand, then on a new one
        with pytest.raises(ReadTimeoutError):
            get(s3)
    lab.restore("one")
    assert get(s3) == b"bytes"


def test_a_hung_cloud_can_be_killed(s3: Any, lab: Lab) -> None:
    lab.hang("one")
    lab.kill("one")
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        get(s3)


def test_a_slow_cloud_takes_the_time_its_rate_says(s3: Any, lab: Lab) -> None:
    put(s3, data=bytes(300_000))
    lab.slow("one", rate="1M")
    cloud = lab.cloud("one")
    assert (cloud.up, cloud.down, cloud.state) == (1e6, 1e6, "slow")
    before = time.monotonic()
    assert len(get(s3)) == 300_000
    assert time.monotonic() - before == pytest.approx(0.3, abs=0.15)
    lab.slow("one", 5)
    assert lab.cloud("one").down == 2e6  # of the 10 MB/s that an unshaped cloud is taken to have
    lab.restore("one")
    assert lab.cloud("one").down is None


def test_a_corrupting_cloud_flips_one_bit_in_flight(lab: Lab, client_of: ClientOf) -> None:
    s3 = client_of(lab.cloud("one"), response_checksum_validation="when_required")
    data = bytes(range(256)) * 1000
    put(s3, data=data)
    lab.corrupt("one")
    for header, right in (("bytes=0-", data), ("bytes=100-199", data[100:200]), ("bytes=7-7", data[7:8])):
        got = get(s3, Range=header)
        assert len(got) == len(right)
        assert sum((a ^ b).bit_count() for a, b in zip(got, right, strict=True)) == 1
    assert lab.stats()["one"]["corrupted"] == 3
    assert state(lab) == "corrupting"
    lab.corrupt("one", 0)
    assert get(s3) == data


def test_a_share_of_corruption_is_that_share(lab: Lab, client_of: ClientOf) -> None:
    s3 = client_of(lab.cloud("one"), response_checksum_validation="when_required")
    put(s3)
    lab.corrupt("one", 0.3)
    wrong = sum(get(s3) != b"bytes" for _ in range(100))
    assert 10 < wrong < 55


def test_a_throttled_cloud_answers_429_and_says_when(s3: Any, lab: Lab) -> None:
    lab.throttle("one", 2)
    put(s3)
    get(s3)
    with pytest.raises(ClientError) as caught:
        get(s3)
    assert code(caught) == (429, "TooManyRequests")
    response: Any = caught.value.response
    wait = int(response["ResponseMetadata"]["HTTPHeaders"]["retry-after"])
    assert wait == 1
    before = time.monotonic()
    while not served(s3):
        time.sleep(0.02)
    assert 0.3 < time.monotonic() - before < 0.9
    lab.throttle("one", 0.5)  # slower than one a second: the first comes through, the next must wait for two
    get(s3)
    with pytest.raises(ClientError) as caught:
        get(s3)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "2"
    assert (state(lab), lab.stats()["one"]["throttled"] >= 2) == ("throttled", True)


def test_a_failing_cloud_answers_503_before_any_effect(s3: Any, lab: Lab) -> None:
    lab.fail("one", 1)
    with pytest.raises(ClientError) as caught:
        put(s3)
    assert code(caught) == (503, "ServiceUnavailable")
    lab.fail("one", 0)
    assert lab.stats()["one"]["objects"] == 0
    lab.fail("one", 0.5)
    assert state(lab) == "failing"


def test_a_lost_answer_leaves_its_effect(s3: Any, lab: Lab) -> None:
    lab.tune("one", lost_rate=1)
    with pytest.raises(ConnectionClosedError):
        put(s3)
    lab.restore("one")
    assert get(s3) == b"bytes"


def test_a_full_account_takes_no_more_but_lets_things_go(s3: Any, lab: Lab) -> None:
    lab.tune("one", quota=1000)
    put(s3, data=bytes(900))
    put(s3, data=bytes(1000))  # in place of the first
    with pytest.raises(ClientError) as caught:
        put(s3, "other", b"x")
    assert code(caught) == (507, "InsufficientStorage")
    s3.delete_object(Bucket="lab", Key="k")
    put(s3, "other", b"x")
    assert lab.stats()["one"]["stored"] == 1


def test_an_object_beyond_the_limit_is_refused(s3: Any, lab: Lab) -> None:
    lab.tune("one", max_object="1k")
    put(s3, data=bytes(1000))
    with pytest.raises(ClientError) as caught:
        put(s3, data=bytes(1001))
    assert code(caught) == (413, "EntityTooLarge")


def test_a_connection_may_break_in_the_middle_of_a_body(s3: Any, lab: Lab) -> None:
    put(s3, data=bytes(500_000))
    lab.tune("one", drop_after="200k")
    with pytest.raises(HTTPClientError):
        get(s3)
    assert lab.stats()["one"]["dropped"] >= 1


def test_a_tail_of_requests_is_ten_times_slower(s3: Any, lab: Lab) -> None:
    put(s3)
    lab.tune("one", service="5ms", tail_rate=1)
    before = time.monotonic()
    get(s3)
    assert time.monotonic() - before >= 0.05
    assert lab.stats()["one"]["slowed"] == 1


def test_a_wiped_cloud_is_empty_and_takes_objects_again(s3: Any, lab: Lab) -> None:
    put(s3)
    lab.wipe("one")
    with pytest.raises(ClientError) as caught:
        get(s3)
    assert code(caught) == (404, "NoSuchKey")
    assert lab.stats()["one"]["stored"] == 0
    put(s3)
    assert get(s3) == b"bytes"


def test_damage_by_hand_is_served_as_it_lies(s3: Any, lab: Lab, client_of: ClientOf) -> None:
    blind = client_of(lab.cloud("one"), response_checksum_validation="when_required")
    for key in ("shards/ab/1", "shards/ab/2"):
        put(s3, key)
    etag = s3.head_object(Bucket="lab", Key="shards/ab/1")["ETag"]
    file = object_path(lab.object_dir("one"), "shards/ab/1")
    assert file == lab.directory / "one" / "lab" / "shards%2Fab%2F1"
    file.write_bytes(b"wrong")
    assert get(blind, "shards/ab/1") == b"wrong"
    assert s3.head_object(Bucket="lab", Key="shards/ab/1")["ETag"] == etag  # a provider whose disk rots does not know
    file.write_bytes(b"cut")
    assert get(blind, "shards/ab/1") == b"cut"
    file.unlink()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="lab")["Contents"]] == ["shards/ab/2"]
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError):
            call(Bucket="lab", Key="shards/ab/1")


def test_a_whole_cloud_can_be_rolled_back_by_hand(s3: Any, lab: Lab, tmp_path: Path) -> None:
    put(s3, "old", b"1")
    put(s3, "both", b"1")
    home = lab.directory / "one"
    home.rename(tmp_path / "older")
    (tmp_path / "newer").mkdir()
    with pytest.raises(ClientError) as caught:
        get(s3, "old")
    assert code(caught) == (404, "NoSuchBucket")
    s3.create_bucket(Bucket="lab")
    put(s3, "new", b"2")
    put(s3, "both", b"22")
    etag = s3.head_object(Bucket="lab", Key="both")["ETag"]
    home.rename(tmp_path / "newer" / "one")
    (tmp_path / "older").rename(home)
    assert (get(s3, "old"), get(s3, "both")) == (b"1", b"1")
    assert s3.head_object(Bucket="lab", Key="both")["ETag"] != etag
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="lab")["Contents"]] == ["both", "old"]


def test_an_object_put_there_by_hand_is_served(s3: Any, lab: Lab) -> None:
    (lab.object_dir("one") / "by%20hand").write_bytes(b"bytes")
    assert get(s3, "by hand") == b"bytes"
    assert s3.list_objects_v2(Bucket="lab")["Contents"][0]["ETag"] == '"4b3a6218bb3e3a7303e8a171a60fcf92"'


def test_several_faults_are_told_together_and_restored_together(lab: Lab) -> None:
    lab.slow("one")
    lab.corrupt("one", 0.1)
    lab.tune("one", quota="1M")
    assert state(lab) == "slow, corrupting, changed"
    lab.restore("one")
    assert state(lab) == "up"


def test_an_unknown_name_is_answered_with_the_known_ones(lab: Lab) -> None:
    for call in (lab.kill, lab.hang, lab.slow, lab.corrupt, lab.restore, lab.wipe, lab.cloud, lab.object_dir):
        with pytest.raises(ConfigError, match="no cloud 'nine'") as caught:
            call("nine")
        assert "one, two, open" in caught.value.hint
    with pytest.raises(ConfigError, match="no field 'speed'") as caught:
        lab.tune("one", speed=3)
    assert "corrupt_rate" in caught.value.hint
    for wrong in (-1, 0, "fast"):
        with pytest.raises(ConfigError):
            lab.slow("one", rate=wrong)
    with pytest.raises(ConfigError):
        lab.corrupt("one", 1.5)
    with pytest.raises(ConfigError, match="group"):
        lab.tune("one", group="home")
    assert state(lab) == "up"


def test_counters_tell_what_was_asked_and_can_be_reset(s3: Any, lab: Lab) -> None:
    put(s3, data=bytes(10_000))
    get(s3)
    stats = lab.stats()["one"]
    assert stats["ops"] == {"PutObject": 1, "GetObject": 1}
    assert (stats["requests"], stats["objects"], stats["stored"]) == (2, 1, 10_000)
    assert 10_000 < stats["bytes_up"] < 13_000
    assert 10_000 < stats["bytes_down"] < 13_000
    lab.reset_stats()
    stats = lab.stats()["one"]
    assert (stats["requests"], stats["bytes_up"], stats["ops"], stats["objects"]) == (0, 0, {}, 1)
