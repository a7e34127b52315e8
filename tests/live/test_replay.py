"""The fakes against recordings of the real thing, of which there are none yet; and that the comparison can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.live.compare import differences
from tests.live.journal import Journal, Seen, Shape
from tests.live.replay import LIVE_CHECKS, STAND_INS, recorded
from webraid.backend.conformance.listing import list_during_writes, list_longer_than_a_page
from webraid.backend.conformance.objects import (
    readers_during_an_overwrite_never_see_a_torn_object,
    sixteen_threads_putting_one_name_leave_one_whole_object,
)
from webraid.backend.conformance.promises import put_is_whole_or_not_at_all

RECORDINGS = Path(__file__).parent / "journals"
# What threads meet depends on chance, and so does the shape of it; a recording of one run has no more than it met.
BY_CHANCE = (
    list_during_writes,
    list_longer_than_a_page,
    readers_during_an_overwrite_never_see_a_torn_object,
    sixteen_threads_putting_one_name_leave_one_whole_object,
    put_is_whole_or_not_at_all,
)
STEADY = tuple(check for check in LIVE_CHECKS if check not in BY_CHANCE)


def test_every_recording_of_a_live_service_is_answered_alike_by_its_fake(tmp_path: Path) -> None:
    """Put a journal of 'make live' into tests/live/journals, and this holds the fake to it."""
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        real = Journal.load(path)
        assert real.kind in STAND_INS, f"{path.name}: nothing here stands for {real.kind}"
        (tmp_path / path.stem).mkdir()
        assert differences(real, recorded(STAND_INS[real.kind], tmp_path / path.stem)) == []


@pytest.fixture(scope="module")
def journal_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Journal]:
    """A recording of a kind, made once."""
    made: dict[str, Journal] = {}

    def get(name: str) -> Journal:
        if name not in made:
            made[name] = recorded(name, tmp_path_factory.mktemp(name), STEADY)
        return made[name]

    return get


@pytest.mark.parametrize("name", [*STAND_INS.values(), "s3-lab"])
def test_a_server_answers_as_it_answered_before(
    name: str, journal_of: Callable[[str], Journal], tmp_path: Path
) -> None:
    journal_of(name).save(tmp_path / "journal")
    real = Journal.load(tmp_path / "journal")
    assert len(real.shapes) >= 8
    assert {shape.status for shape in real.shapes} >= {200, 409 if name == "dropbox-fake" else 404}
    (tmp_path / "again").mkdir()
    assert differences(real, recorded(name, tmp_path / "again", STEADY)) == []


def doctored(journal: Journal, change: Callable[[dict[Shape, Seen]], None]) -> Journal:
    """A copy that ``change`` was at."""
    copy = Journal(journal.kind)
    copy.shapes = {
        shape: Seen(set(seen.fields), set(seen.sent), set(seen.came)) for shape, seen in journal.shapes.items()
    }
    change(copy.shapes)
    return copy


def one(shapes: dict[Shape, Seen], status: int) -> Shape:
    """Some shape of that status with fields."""
    return next(shape for shape in sorted(shapes) if shape.status == status and shapes[shape].fields)


@pytest.mark.parametrize("name", STAND_INS.values())
def test_a_doctored_recording_is_found_out(name: str, journal_of: Callable[[str], Journal]) -> None:
    fake = journal_of(name)
    failure = 404 if name == "gdrive" else 409

    def other_status(shapes: dict[Shape, Seen]) -> None:
        shape = one(shapes, failure)
        shapes[replace(shape, status=410)] = shapes.pop(shape)

    def other_reason(shapes: dict[Shape, Seen]) -> None:
        shape = one(shapes, failure)
        shapes[replace(shape, reason="somethingElse")] = shapes.pop(shape)

    def one_field_more(shapes: dict[Shape, Seen]) -> None:
        shapes[one(shapes, 200)].fields.add("newField")

    def one_field_less(shapes: dict[Shape, Seen]) -> None:
        shapes[one(shapes, 200)].fields.pop()

    def another_request(shapes: dict[Shape, Seen]) -> None:
        shapes[Shape("PATCH", "/elsewhere", (), 200, "")] = Seen()

    for change, words in (
        (other_status, "never answers 410"),
        (other_reason, "never answers"),
        (one_field_more, "lacks newField"),
        (one_field_less, "only the fake's answer has"),
        (another_request, "the fake was never asked this"),
    ):
        found = differences(doctored(fake, change), fake)
        assert any(words in sentence for sentence in found), (change.__name__, found)
    assert differences(doctored(fake, lambda shapes: None), fake) == []


def test_what_happens_by_chance_to_a_live_account_is_no_difference(journal_of: Callable[[str], Journal]) -> None:
    def busy(shapes: dict[Shape, Seen]) -> None:
        shape = one(shapes, 200)
        shapes[replace(shape, status=429, reason="rateLimitExceeded")] = Seen({"error"})
        shapes[replace(shape, status=503, reason="")] = Seen()

    fake = journal_of("gdrive")
    assert differences(doctored(fake, busy), fake) == []


def test_what_a_real_one_was_never_asked_is_told_too() -> None:
    fake = Journal("gdrive")
    fake.shapes[Shape("GET", "/drive/v3/changes", (), 200, "")] = Seen()
    assert differences(Journal("gdrive"), fake) == ["GET /drive/v3/changes: the real one was never asked this"]
