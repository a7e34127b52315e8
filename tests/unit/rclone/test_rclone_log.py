"""rclone's log: each failed request finds its own reason."""

from __future__ import annotations

import json
import os

from webraid_rclone.log import Log


def test_two_failures_about_one_name_are_told_to_both() -> None:
    """The second request begins before the first has read why it failed."""
    inward, outward = os.pipe()
    log = Log(os.fdopen(inward, "rb"))
    line = json.dumps({"level": "debug", "object": "a", "msg": "GET request error: object not found"}) + "\n"
    with log.request("a", "r:") as first:
        os.write(outward, line.encode())
        with log.request("a", "r:") as second:
            os.write(outward, line.encode())
            assert first() == second() == "object not found"
    os.close(outward)
    log.join()
    with log.request("a", "r:") as third:
        assert third() == "", "what others left behind does not count"
