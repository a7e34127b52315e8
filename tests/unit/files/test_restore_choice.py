"""--include and --exclude: which paths of a snapshot a restore is about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from webraid.files import choice as module
from webraid.files.choice import EVERYTHING, Choice
from webraid.files.select import Spec, lines

NAMES = st.sampled_from(["a", "b", "A", "c.jpg", "d"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(
    st.sampled_from(["a", "b/", "*.jpg", "/a", "/a/b", "a/*", "!a", "!b/c.jpg", "**/d", "a/**/c.jpg", "[ab]", "#", ""]),
    max_size=4,
)


def by_hand(path: str, is_dir: bool, include: list[str], exclude: list[str]) -> bool:
    """From the top down: the last word on each level counts, and an excluded folder is the end of it."""
    taken, left_out = Spec(lines(include)), Spec(lines(exclude))
    wanted, parts = not include, path.split("/")
    for count in range(1, len(parts) + 1):
        here, folder = "/".join(parts[:count]), count < len(parts) or is_dir
        said = taken.verdict(here, parts[count - 1], folder)
        wanted = wanted if said is None else said
        if left_out.verdict(here, parts[count - 1], folder):
            return False
    return wanted


@given(st.lists(st.tuples(PATHS, st.booleans()), min_size=1, max_size=20), PATTERNS, PATTERNS)
def test_every_path_is_judged_as_by_hand_in_whatever_order(
    asked: list[tuple[str, bool]], include: list[str], exclude: list[str]
) -> None:
    choice = Choice(lines(include), lines(exclude))
    for path, is_dir in asked:
        expected = by_hand(path, is_dir, include, exclude)
        assert choice(path.encode(), is_dir) is (expected if choice else True)


def test_nothing_said_is_everything() -> None:
    assert not EVERYTHING
    assert EVERYTHING(b"any/path", True)


def test_what_is_remembered_is_bounded_and_stays_right() -> None:
    choice = Choice(lines(["/f1/**/x"]))
    for number in range(3 * module.KEPT):
        assert choice(b"f%d/deep/x" % number, False) is (number == 1)
        assert len(choice._folders) <= module.KEPT


def test_names_that_are_not_utf8_are_matched() -> None:
    choice = Choice(exclude=lines(["odd*"]))
    assert not choice(b"a/odd\xff", False)
    assert choice(b"a/\xffodd", False)
