"""-q: silent, until there is something that must be told."""

from __future__ import annotations

import pytest

from webraid.cli.flags import Flags
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import Traffic
from webraid.jobs.base.events import DiskNotice, FileTrouble, Notice, Progress, ShardFound, Started

ALARM = DiskNotice("d1", "it shows an older log than before", alarm=True)
CORRUPT = ShardFound("d2", "00" * 16, 1, "corrupt")


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_what_must_be_told_is_told_as_the_screen_does(capsys: pytest.CaptureFixture[str]) -> None:
    call = Invocation(Flags(quiet=True))
    with call.job("put"):
        for event in (ALARM, ALARM, CORRUPT):
            call.listener.event(event)
    with call.job("put"):
        call.listener.event(ALARM)
    mine = told(capsys)
    screen = Invocation(Flags(quiet=True)).screen
    for events in ((ALARM, ALARM, CORRUPT), (ALARM,)):
        with screen.job("put"):
            for event in events:
                screen.event(event)
    assert mine == told(capsys)
    assert mine == ["d1: it shows an older log than before", *mine[1:2], mine[0]]
    assert "is corrupt" in mine[1]


def test_nothing_else_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    call = Invocation(Flags(quiet=True))
    with call.job("put"):
        call.listener.event(FileTrouble("a", "is gone"))
        call.listener.event(Notice("something", warning=True))
        with call.hush():
            call.listener.event(ALARM)
    assert told(capsys) == []


def test_the_page_of_a_run_that_did_not_go_well_knows_what_was_moved() -> None:
    call = Invocation(Flags(quiet=True))
    flows = [Traffic("d1")]
    with call.listener.job("repair", lambda: flows):
        pass
    shown = []
    call.show(dict, lambda screen: shown.append(list(screen.moved)))
    assert shown == [flows]


def test_progress_makes_no_screen() -> None:
    call = Invocation(Flags(quiet=True))
    assert not call.listener.draws
    with call.job("put"):
        call.listener.event(Started("put"))
        call.listener.event(Progress(files=1))
    assert "screen" not in vars(call)
