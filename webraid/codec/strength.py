"""A rough guess at how many bits a passphrase is worth to somebody who guesses cleverly.  Errs on the low side."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator

from webraid.codec.words import WORDS

_WORD_BITS = 12.5  # one of about 6000 words people think of
_COMMON_BITS = 4.0
_SEEN_BITS = 1.0  # what is said again
_LONGEST = 24  # characters looked at as one piece
_COMMON_TEXT = """
password passwort passw pass word letmein welcome login admin root master secret changeme default iloveyou love
monkey dragon princess sunshine shadow football baseball superman batman master hello freedom whatever trustno
qwerty qwertz azerty asdf zxcv qazwsx test guest user backup webraid raid michael jennifer jordan ashley charlie
daniel thomas jessica robert william the and you that this with have from not are was for
"""
_COMMON = frozenset(_COMMON_TEXT.split())
_KNOWN = frozenset(WORDS)
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm")
_RUNS = tuple(row for line in _ROWS for row in (line, line[::-1]))
_LEET = str.maketrans("0134578@$!", "oieastbasi")
_VOWELS = frozenset("aeiouyäöü")


def passphrase_bits(text: str) -> float:
    """Bits of the cheapest way to spell ``text`` out of words, runs, repeats and single characters."""
    text = unicodedata.normalize("NFC", text)
    whole = _unrepeated(text)
    # best[end] = (bits, pieces used so far) of the cheapest spelling of the first ``end`` characters
    best: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
    for end in range(1, len(whole) + 1):
        best.append(min(_spellings(whole, end, best), key=lambda spelling: spelling[0]))
    return best[-1][0] + math.log2(max(1.0, len(text) / max(1, len(whole))))


def _spellings(
    text: str, end: int, best: list[tuple[float, tuple[str, ...]]]
) -> Iterator[tuple[float, tuple[str, ...]]]:
    for start in range(max(0, end - _LONGEST), end):
        piece = text[start:end]
        bits, used = best[start]
        cost = _piece_bits(piece)
        if cost is None:
            continue
        folded = piece.lower()
        if len(piece) > 2 and folded in used:
            cost = min(cost, _SEEN_BITS)
        yield bits + cost, (*used, folded) if len(piece) > 2 else used


def _piece_bits(piece: str) -> float | None:
    """Bits of one piece, None if it is nothing but a chain of characters."""
    if len(piece) == 1:
        return _character_bits(piece)
    if len(set(piece)) == 1:
        return _character_bits(piece[0]) + math.log2(len(piece))
    folded = piece.lower()
    if len(piece) > 2 and any(folded in run for run in _RUNS):
        return 3 + math.log2(len(piece))
    if len(piece) == 4 and piece.isdecimal() and piece[:2] in ("19", "20"):
        return 6.0
    plain = folded.translate(_LEET)
    disguise = (0.0 if plain == folded else 2.0) + (0.0 if piece == folded or piece.istitle() else 2.0)
    if plain in _COMMON:
        return _COMMON_BITS + disguise
    if len(piece) > 2 and plain.isalpha():
        if plain in _KNOWN:
            return _WORD_BITS + disguise
        if len(piece) > 4 and _speakable(plain):
            return _WORD_BITS + 1.5 * max(0, len(piece) - 7) + disguise
    return None


def _character_bits(character: str) -> float:
    if character.isspace():
        return 0.3  # mostly where one expects it
    if character.isdecimal():
        return math.log2(10)
    if character.isalpha():
        return math.log2(26) if character.islower() else math.log2(26) + 1
    return 5.0


def _speakable(text: str) -> bool:
    """Whether it could be a word of some language: enough vowels, no long run of consonants."""
    longest = run = 0
    for character in text:
        run = 0 if character in _VOWELS else run + 1
        longest = max(longest, run)
    return longest <= 4 and sum(character in _VOWELS for character in text) >= 0.25 * len(text)


def _unrepeated(text: str) -> str:
    """The shortest part whose repetition (the last one perhaps cut short) gives the text."""
    for period in range(1, len(text) // 2 + 1):
        if text[period:] == text[:-period]:
            return text[:period]
    return text
