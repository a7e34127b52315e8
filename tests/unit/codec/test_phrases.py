"""What people write down and type."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.codec.keys import is_recovery_code, new_passphrase, new_recovery_code, normal_code, passphrase_bits
from webraid.codec.words import WORDS
from webraid.env import seeded
from webraid.errors import WrongPassphrase

CODE = new_recovery_code(seeded(1))


@given(st.integers())
def test_a_code_is_read_however_it_is_typed(seed: int) -> None:
    code = new_recovery_code(seeded(seed))
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}", code)
    sloppy = code.replace("0", "O").replace("1", "l")
    for typed in (
        code,
        code.lower(),
        sloppy,
        code.replace("-", ""),
        code.replace("-", " "),
        f" {code}\n",
        code.replace("-", "–"),
    ):
        assert is_recovery_code(typed)
        assert normal_code(typed) == code


@given(st.integers(0, 31), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_every_single_typo_is_noticed(at: int, character: str) -> None:
    bare = CODE.replace("-", "")
    typo = bare[:at] + character + bare[at + 1 :]
    if typo != bare:
        with pytest.raises(WrongPassphrase, match="mistyped"):
            normal_code(typo)


@pytest.mark.parametrize(
    ("text", "message"),
    [(CODE[:-1], "has 31"), (CODE + "0", "has 33"), ("", "has 0"), ("U" + CODE[1:], "no U"), ("é" + CODE[1:], "no U")],
)
def test_a_text_that_is_no_code_is_told_why(text: str, message: str) -> None:
    with pytest.raises(WrongPassphrase, match=message) as caught:
        normal_code(text)
    assert CODE[5:9] not in str(caught.value) + caught.value.hint


def test_a_mistyped_code_is_still_taken_for_a_code_and_a_passphrase_never_is() -> None:
    assert is_recovery_code(CODE[:3] + "Z" + CODE[4:])
    assert not is_recovery_code("correct horse battery staple winter")
    assert not is_recovery_code("correcthorsebatterystaplewintera")
    assert not is_recovery_code("able acid aged bake bald band bank bark")
    assert not is_recovery_code(CODE[:-1])
    assert not any(is_recovery_code(new_passphrase(seeded(seed))) for seed in range(200))


def test_the_word_list_is_2048_plain_words_all_different() -> None:
    assert len(WORDS) == len(set(WORDS)) == 2048
    assert all(re.fullmatch("[a-z]{4,8}", word) for word in WORDS)
    assert list(WORDS) == sorted(WORDS)


def test_a_passphrase_is_seven_words_that_every_draw_changes() -> None:
    drawn = {new_passphrase(seeded(seed)) for seed in range(100)}
    assert len(drawn) == 100
    assert all(len(phrase.split()) == 7 and set(phrase.split()) <= set(WORDS) for phrase in drawn)
    words = [word for phrase in drawn for word in phrase.split()]
    assert min(words) < "c" and max(words) > "w"  # from the whole list, not from a corner of it


def test_generated_passphrases_are_strong_enough_in_the_meters_eyes() -> None:
    assert min(passphrase_bits(new_passphrase(seeded(seed))) for seed in range(300)) >= 60


@pytest.mark.parametrize(
    "strong",
    ["correct horse battery staple winter", "f8Kd02mZq1xTb7Rw9LpQ", "qzjxkvbpwmfhgtrnlcds",
     "Der schnelle braune Fuchs springt", CODE, "9f86d081884c7d659a2feaa0c55ad015"],
)  # fmt: skip
def test_good_passphrases_are_accepted(strong: str) -> None:
    assert passphrase_bits(strong) >= 60


@pytest.mark.parametrize(
    "weak",
    ["", "a", "aaaaaaaaaaaaaaaa", "x" * 500, "abababababababababab", "password123", "Password123!", "P@ssw0rd2024!!",
     "passwordpasswordpassword", "12345678901234567890", "qwertyuiopasdfghjklzxcvbnm", "abcdefghijklmnopqrstuvwxyz",
     "Tr0ub4dor&3", "correct horse battery staple", "correct correct correct correct correct correct",
     "winter staple winter horse winter horse", "k9!" * 12, "1985 1974 2047 2036 1968 1957",
     "electrification", "supercalifragilisticexpialidocious", "iloveyou iloveyou forever"],
)  # fmt: skip
def test_weak_passphrases_are_not_overrated(weak: str) -> None:
    assert passphrase_bits(weak) < 60


@pytest.mark.parametrize("feeble", ["aaaaaaaaaaaaaaaa", "password123", "12345678901234567890", "letmein", "iloveyou1"])
def test_the_worst_passphrases_are_worth_next_to_nothing(feeble: str) -> None:
    assert passphrase_bits(feeble) < 16


@given(st.text(max_size=60))
def test_any_text_is_rated_and_adding_to_it_never_takes_much_away(text: str) -> None:
    bits = passphrase_bits(text)
    assert 0 <= bits <= 6 * len(text) + 1


def test_a_very_long_passphrase_is_rated_in_no_time() -> None:
    assert passphrase_bits("".join(chr(97 + at * at % 26) for at in range(2000))) >= 0
