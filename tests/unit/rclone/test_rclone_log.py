"""rclone's log: each failed request finds its own reason."""

from __future__ import annotations

import json
import os
import threading

from webraid_rclone.log import Log


def entry(level: str, message: str) -> bytes:
    return json.dumps({"level": level, "object": "a", "msg": message}).encode() + b"\n"


def test_a_request_does_not_take_away_the_reason_of_another_one_about_the_same_name() -> None:
    inward, outward = os.pipe()
    heard = threading.Event()
    log = Log(os.fdopen(inward, "rb"), notice=lambda _: heard.set())
    with log.request("a", "r:") as first:
        os.write(outward, entry("debug", "GET request error: object not found"))
        os.write(outward, entry("notice", "that was all"))
        assert heard.wait(10)
        with log.request("a", "r:") as second:
            assert first() == "object not found"
            os.write(outward, entry("debug", "GET request error: directory not found"))
            assert second() == "directory not found"
    os.close(outward)
    log.join()
    with log.request("a", "r:") as third:
        assert third() == "", "what others left behind does not count"
