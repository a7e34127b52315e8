"""The pages people see, drawn from results made by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from webraid.cli import verdict, words
from webraid.cli.gauge import Flow, Gauge, Outlook
from webraid.cli.jsonlines import Lines
from webraid.cli.render import Screen
from webraid.cli.render.live import _Picture
from webraid.cli.traffic import Traffic
from webraid.env import Env
from webraid.jobs.base.events import DiskBytes, DiskNotice, FileTrouble, Notice, Progress, ShardFound, Started
from webraid.jobs.care.check import CheckResult, DiskCheck
from webraid.jobs.restoring.get import GetResult
from webraid.jobs.standing.status import DiskStatus, Status
from webraid.jobs.storing.put import PutResult

GIB = 1 << 30
Draw = Callable[[Callable[[Screen], None]], str]


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def env(self) -> Env:
        return Env(now=lambda: 1_700_000_000.0, monotonic=lambda: self.now)


@pytest.fixture
def draw(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Draw:
    """What a page looks like in a pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def page(show: Callable[[Screen], None]) -> str:
        show(Screen(Clock().env()))
        return capsys.readouterr().out

    return page


def disk(name: str, state: str = "online", **more: Any) -> DiskStatus:
    values = {"kind": "local", "domain": name, "detail": "", "stored": GIB, "free": 3 * GIB, "capacity": 4 * GIB}
    return DiskStatus(name=name, state=state, **(values | more))


def status(**more: Any) -> Status:
    values: dict[str, Any] = {
        "name": "home", "pool_id": "22ae24d3f17d7152", "level": "raid6", "state": "online", "survives": 2,
        "promised": 2, "fresh": True, "answered": 6, "joined": 6, "disks": [disk(f"d{n}") for n in range(1, 7)],
        "snapshots": 3, "last_snapshot": "4f3a12cd", "last_time_ms": 1_700_000_000_000 - 7_200_000,
        "last_files": 1200, "last_bytes": GIB,
    }  # fmt: skip
    return Status(**(values | more))


# ------------------------------------------------------------------------------------------------------------- status
def test_a_healthy_pool_is_a_page_without_a_next_step(draw: Draw) -> None:
    page = draw(lambda screen: screen.status(status()))
    assert page.startswith("All is well: the pool survives the loss of any 2 of 6 disks.\n")
    assert "(2 hours ago)" in page
    assert "Next:" not in page
    assert not any(line != line.rstrip() for line in page.splitlines())


@pytest.mark.parametrize(
    ("changed", "says", "then"),
    [
        ({"joined": 0, "disks": [], "survives": -1}, "This pool has no disk yet.", "webraid add-backend"),
        ({"joined": 2, "still_needed": 2, "survives": 0}, "raid6 needs 4 disks, and there are 2", "Add 2 more disks"),
        (
            {"survives": -1, "unreadable_packs": 3, "state": "failed"},
            "FAILED: some data cannot be read now: 3 packs",
            "",
        ),
        ({"survives": 0, "state": "degraded"}, "no further disk may be lost (raid6 promises 2)", ""),
        ({"survives": 1, "state": "degraded", "missing_shards": 4}, "one further disk may be lost", "webraid repair"),
        ({"alarms": ["d1: rolled back"], "state": "degraded"}, "not all is as it should be", "webraid check"),
        ({"snapshots": 0}, "All is well", "webraid put PATH"),
        (
            {"disks": [disk("a", "unreachable"), disk("b", "faulted"), disk("c")], "state": "degraded", "survives": 0},
            "DEGRADED",
            "Bring a and b back",
        ),
        (
            {"disks": [disk("a", "rebuilding")], "state": "degraded"},
            "DEGRADED",
            "webraid add-backend local a ... again",
        ),
        ({"level": "raid0", "promised": 0, "survives": 0}, "the pool survives the loss of no disk", ""),
        (
            {"disks": [disk("a", domain="nas"), disk("b", domain="nas"), disk("c")], "survives": 1},
            "All disks are there, but the pool survives the loss of any one of 6 disks, not 2 as raid6 promises.",
            "these fail together and count as one loss: a and b (nas)",
        ),
    ],
)
def test_the_verdict_and_the_next_step_fit_the_state(draw: Draw, changed: Any, says: str, then: str) -> None:
    page = draw(lambda screen: screen.status(status(**changed)))
    assert says in page.splitlines()[0]
    assert then in page.partition("Next:")[2].replace("'", "")


def test_a_disk_line_has_state_bar_sizes_and_its_trouble_below(draw: Draw) -> None:
    sick = disk("usb", "unreachable", detail="it did not answer in time", free=None, capacity=None)
    page = draw(lambda screen: screen.status(status(disks=[disk("d1"), sick], state="degraded")))
    assert "d1    online       ████░░░░░░░░░░  1.0 GiB  3.0 GiB  d1      local" in page
    assert "usb   unreachable                  1.0 GiB        ?  usb     local" in page
    assert "  usb: it did not answer in time\n" in page


# --------------------------------------------------------------------------------------------------------------- jobs
def test_an_alarm_is_on_the_page_of_a_put(draw: Draw) -> None:
    result = PutResult("4f3a12cd", "raid6", survives=2, promised=2, disks=6, alarms=["d3"], conflicts=["aaaa"])
    page = draw(lambda screen: screen.put(result, []))
    assert "ALARM: d3" in page
    assert "Snapshot aaaa of the same folder" in page
    assert "Next: Run 'webraid check'" in page


def test_a_put_that_reached_less_names_the_disks_that_failed(draw: Draw) -> None:
    result = PutResult("4f3a12cd", "raid6", survives=1, promised=2, disks=6)
    flows = [Traffic("d2", 100, 0, 3, 0, 2), Traffic("d3", 100, 0, 3)]
    assert "Next: Bring d2 back ('webraid status' says what is wrong)" in draw(lambda screen: screen.put(result, flows))
    assert "Bring the missing disks back, if there are any" in draw(lambda screen: screen.put(result, flows[1:]))


def test_a_snapshot_of_nothing_but_names_does_not_boast(draw: Draw) -> None:
    result = PutResult("4f3a12cd", "raid6", survives=5, promised=2, disks=6)
    assert "Survives the loss of any 2 of 6 disks." in draw(lambda screen: screen.put(result, []))


def test_errors_of_disks_have_a_column_only_when_there_are_some(draw: Draw) -> None:
    result = GetResult("4f3a12cd", "out", files=1)
    calm = draw(lambda screen: screen.got(result, [Traffic("d1", 0, 100, 3)]))
    rough = draw(lambda screen: screen.got(result, [Traffic("d1", 0, 100, 3, 1, 2)]))
    assert ("Errors" in calm, "Errors" in rough) == (False, True)


@pytest.mark.parametrize(
    ("changed", "says", "then"),
    [
        ({}, "All is well: the pool survives the loss of any 2 of 2 disks.", ""),
        ({"missing_shards": 3}, "Incomplete: 3 shards missing", "webraid repair"),
        ({"unreadable_packs": 1, "lost_chunks": 5}, "DAMAGED: 1 pack cannot be read, and with them 5 chunks", "Bring"),
        ({"alarms": ["d1: forked"]}, "ALARM: 1 alarm", "Find out"),
        ({"survives": 1, "promised": 2}, "Nothing is missing, but the pool survives", "'webraid status' says why"),
    ],
)
def test_a_check_is_summed_up_in_a_sentence(draw: Draw, changed: Any, says: str, then: str) -> None:
    found = CheckResult(disks=[DiskCheck("d1", "equal"), DiskCheck("d2", "equal")], survives=2)
    for name, value in changed.items():
        setattr(found, name, value)
    page = draw(lambda screen: screen.checked(found, []))
    assert says in page.splitlines()[0]
    assert then in page.partition("Next:")[2]


def test_raid0_never_sounds_safe() -> None:
    result = PutResult(level="raid0", survives=0, promised=0, disks=3)
    assert verdict.of_put(result) == "survives the loss of no disk"
    assert verdict.of_put(replace(result, level="raid6", promised=2)).endswith("not 2 as raid6 promises")


# ------------------------------------------------------------------------------------------------------------- events
def test_of_many_bad_shards_some_are_named_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(Clock().env())
    with screen.job("check"):
        for number in range(100):
            screen.event(ShardFound("d1", f"{number:032x}", 0, "missing"))
        for _ in range(5):
            screen.event(DiskNotice("d2", "does not answer: disk d2: no route"))
        screen.event(FileTrouble("a", "permission denied"))
        screen.event(Notice("nobody needs to know"))
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("d1: shard")]) == 20
    assert "d1: and 80 missing shards more" in lines
    assert lines.count("d2: does not answer: no route") == 1
    assert "a: permission denied" in lines
    assert not any("nobody" in line for line in lines)


def test_what_a_provider_says_cannot_do_anything_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(Clock().env())
    screen.event(DiskNotice("d1", "refused:\x1b[2J\nAll is well"))
    screen.status(status(disks=[disk("d1", "faulted", detail="\x1b]0;pwned\x07")], state="degraded"))
    shown = capsys.readouterr()
    assert shown.err == "d1: refused:\\x1b[2J\\nAll is well\n"
    assert "\\x1b]0;pwned\\x07" in shown.out
    assert "\x1b" not in shown.out


def test_quiet_shows_alarms_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(Clock().env(), quiet=True)
    with screen.job("put"):
        screen.event(DiskNotice("d1", "does not answer"))
        screen.event(DiskNotice("d2", "shows an older state", alarm=True))
    assert capsys.readouterr().err == "d2: shows an older state\n"


# --------------------------------------------------------------------------------------------------------------- live
def picture(width: int, **more: Any) -> str:
    """A get on three disks, four seconds after it began."""
    clock, moved = Clock(), {"drive": 0, "b2": 0, "a disk with quite a long name": 0}
    gauge = Gauge(clock.env(), "get", lambda: [Traffic(name, down=count) for name, count in moved.items()])
    gauge.take(Started("get", 100, 400 << 20))
    for second in range(5):
        clock.now = 1000.0 + second
        moved |= {"drive": second * (20 << 20), "b2": second * (5 << 20)}
        gauge.take(Progress(second * 10, second * (25 << 20)))
        gauge.take(DiskBytes("drive", down=1))
        gauge.read()
    gauge.take(DiskNotice("b2", "does not answer in its time: the others do its work"))
    there = io.StringIO()
    screen = Screen(clock.env())
    screen.out = Console(file=there, width=width, force_terminal=True, color_system=None, **more)
    screen.out.print(_Picture(screen, gauge))
    return there.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_of_a_job_fits_the_terminal(width: int) -> None:
    lines = picture(width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert "40 of 100 files" in lines[0]
    assert "100.0 MiB" in lines[0]
    assert "25.0 MiB/s" in lines[0]
    assert "25% of 400.0 MiB  0:12 left" in lines[1]
    (drive,) = (line for line in lines if line.startswith("  drive"))
    assert drive.split()[-4:] == ["80.0", "MiB", "20.0", "MiB/s"]
    (b2,) = (line for line in lines if line.startswith("  b2"))
    assert "does not" in b2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_disks_that_are_read_and_written_tell_both_and_no_bar_is_overfull(width: int) -> None:
    flows = [Traffic("d1", down=8 << 20), Traffic("d2", up=3 << 20, down=5 << 20), Traffic("nas", up=4 << 20)]
    gauge = Gauge(Clock().env(), "rebuild", lambda: flows)
    gauge.take(Started("rebuild", 4, 8 << 20))
    gauge.take(Progress(5, 9 << 20, 9 << 20))  # another machine put something there meanwhile
    there = io.StringIO()
    screen = Screen(Clock().env())
    screen.out = Console(file=there, width=width, force_terminal=True, color_system=None)
    screen.out.print(_Picture(screen, gauge))
    head, whole, *disks = there.getvalue().splitlines()
    assert "5 shards" in head and "of 4" not in head and "100%" in whole
    bars = ["▒▒▒▒▒▒▒▒", "███▒▒▒▒▒", "████░░░░"]
    told = ["8.0 MiB out", "3.0 MiB in 5.0 MiB out", "4.0 MiB in"]
    assert [line.split()[1] for line in disks] == bars
    assert [" ".join(line.split()[2 : 2 + len(words.split())]) for line, words in zip(disks, told, strict=True)] == told


def test_a_put_counts_what_is_sent_and_a_get_what_comes() -> None:
    flow = Flow("d1", up=7, down=5)
    assert [flow.moved(job) for job in ("put", "get", "check", "drain")] == [7, 5, 5, 12]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_leaves_room_for_what_a_terminal_echoes_at_ctrl_c(width: int) -> None:
    assert max(map(len, picture(width).splitlines())) <= width - len("^C")


@pytest.mark.parametrize(("path", "shown"), [("photos/a.jpg", "  photos/a.jpg"), ("x" * 90 + "/b.jpg", "  ...xxx")])
def test_the_file_that_is_being_read_is_shown_by_its_end(path: str, shown: str) -> None:
    gauge = Gauge(Clock().env(), "put")
    gauge.take(Progress(0, 1 << 20, 0, current=path))
    there = io.StringIO()
    screen = Screen(Clock().env())
    screen.out = Console(file=there, width=60, force_terminal=True, color_system=None)
    screen.out.print(_Picture(screen, gauge))
    line = there.getvalue().splitlines()[1]
    assert line.startswith(shown) and line.rstrip().endswith(".jpg") and len(line) <= 58


def test_the_remaining_time_is_unknown_until_something_moved() -> None:
    gauge = Gauge(Clock().env(), "put")
    now = gauge.read()
    assert (now.done, now.left, now.rate) == (None, None, 0.0)


def shown(gauge: Gauge, width: int = 80) -> list[str]:
    """The lines of a job's picture."""
    there = io.StringIO()
    screen = Screen(Clock().env())
    screen.out = Console(file=there, width=width, force_terminal=True, color_system=None)
    screen.out.print(_Picture(screen, gauge))
    return there.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_put_shows_a_bar_from_the_moment_that_its_total_is_known(width: int) -> None:
    clock = Clock()
    gauge = Gauge(clock.env(), "put")
    gauge.take(Started("put"))
    gauge.take(Progress(10, 10 << 20))
    assert gauge.read().left is None
    (line,) = shown(gauge, width)
    assert "put  10 files  10.0 MiB" in line
    clock.now += 2
    gauge.take(Progress(20, 20 << 20, total_files=100, total_bytes=120 << 20))
    head, bar, *_ = shown(gauge, width)
    assert "put  20 of 100 files  20.0 MiB" in head and len(head) <= width
    assert bar.rstrip().endswith(" 16% of 120.0 MiB  0:20 left") and len(bar.rstrip()) <= width


def test_a_put_is_never_shown_as_done_and_nothing_is_rounded_up_to_it() -> None:
    gauge = Gauge(Clock().env(), "put")
    for done in (996, 1000, 1100):
        gauge.take(Progress(5, done, total_files=5, total_bytes=1000))
        assert gauge.read().done == 0.99
        assert " 99% of 1000 B" in shown(gauge)[1]
    gauge = Gauge(Clock().env(), "get")
    gauge.take(Started("get", 5, 1000))
    gauge.take(Progress(5, 999))
    assert " 99% of" in shown(gauge)[1]
    gauge.take(Progress(5, 1000))
    assert "100% of" in shown(gauge)[1]


def test_of_files_without_content_the_number_tells_how_far_it_is() -> None:
    gauge = Gauge(Clock().env(), "put")
    gauge.take(Progress(3, 0, total_files=12, total_bytes=0))
    assert gauge.read().done == 0.25


def test_the_next_source_begins_without_what_was_known_of_the_last() -> None:
    gauge = Gauge(Clock().env(), "put")
    gauge.take(Progress(3, 30, total_files=12, total_bytes=90))
    gauge.take(Started("put"))
    now = gauge.read()
    assert (now.done, now.left, now.total_files, now.total_bytes) == (None, None, None, None)


def test_between_two_leaps_the_time_left_counts_down_until_the_next_is_overdue() -> None:
    outlook, pack = Outlook(), 12
    assert outlook.left(0.0, 0, 10 * pack) is None
    assert [outlook.left(float(now), pack, 9 * pack) for now in range(3, 7)] == [27, 26, 25, 24]
    assert outlook.left(30.0, pack, 9 * pack) == 120  # as if it had come just now
    assert outlook.left(33.0, 10 * pack, 0) == 0


def test_the_time_left_goes_by_what_happened_lately() -> None:
    outlook, done = Outlook(), 0
    for now in range(60):
        done += 1000 if now < 10 else 10  # unchanged files first
        left = outlook.left(float(now), done, 500)
    assert left is not None and 45 <= left <= 50


def test_small_steps_between_two_leaps_do_not_shake_the_time_left() -> None:
    outlook, told = Outlook(), []
    for now, done in ((0, 0), (3, 300), (6, 600), (7, 601), (8, 602), (9, 900), (10, 890), (12, 1200)):
        told.append(outlook.left(float(now), done, 3000 - done))
    assert told[2:] == [24, pytest.approx(23, abs=1), pytest.approx(22, abs=1), 21, pytest.approx(20, abs=1), 18]


def test_status_lines_tell_the_total_in_words_of_restic(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    out = Lines(clock.env())
    with out.job("put"):
        for files, total in ((1, {}), (2, {"total_files": 8, "total_bytes": 80})):
            clock.now += 2
            out.event(Progress(files, files * 10, **total))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["percent_done"] == 0 and not first.keys() & {"total_files", "total_bytes", "seconds_remaining"}
    told = {name: second[name] for name in ("total_files", "files_done", "total_bytes", "bytes_done", "percent_done")}
    assert told == {"total_files": 8, "files_done": 2, "total_bytes": 80, "bytes_done": 20, "percent_done": 0.25}
    assert second["seconds_remaining"] == 12.0


# -------------------------------------------------------------------------------------------------------------- words
@given(st.text())
def test_no_text_can_do_anything_to_a_terminal(text: str) -> None:
    assert words.safe(text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")).isprintable()


@pytest.mark.parametrize(
    ("seconds", "text", "clock"),
    [(0.04, "0.04 s", "0:00"), (7.25, "7.2 s", "0:07"), (59, "59 s", "0:59"), (61, "1 min 1 s", "1:01"),
     (3600, "1 h 0 min", "1:00:00"), (200_000, "2 days", "55:33:20")],
)  # fmt: skip
def test_durations_are_as_exact_as_people_want_them(seconds: float, text: str, clock: str) -> None:
    assert (words.duration(seconds), words.clock(seconds)) == (text, clock)


def test_times_ago_are_said_in_one_unit() -> None:
    said = [words.ago(100_000, (100_000 - seconds) * 1000) for seconds in (0, 59, 60, 7200, 90_000, -600)]
    assert said == [
        "just now",
        "just now",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
        "in the future: a clock is wrong",
    ]
