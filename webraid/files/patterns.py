"""Git's wildcards inside one pattern: escapes, brackets and stars made plain, so that pathspec reads them as git does.

What is not plain becomes a stand-in character; ``Plain.regex`` puts the regular expression of each back in its place.
The rules are those of git's wildmatch.c, see gitignore(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_FIRST = 0xD800  # lone surrogates that no decoded name holds: surrogateescape uses those from 0xDC80 on
_MOST = 0x400
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "\\x21-\\x7e", "lower": "a-z", "print": "\\x20-\\x7e", "punct": "!-/:-@\\[-`{-~", "space": " \\t-\\r",
    "upper": "A-Z", "xdigit": "a-fA-F0-9",
}  # fmt: skip
_NOTHING = "(?!)"


class NeverMatches(ValueError):
    """Git takes the pattern for one that matches nothing: a bracket or an escape has no end."""


@dataclass(slots=True)
class Plain:
    """``text``: the pattern with only letters, '/', '*' and '?' in it; ``parts``: what its stand-ins stand for."""

    text: str = ""
    parts: list[str] = field(default_factory=list)

    def add(self, regex: str) -> None:
        """A stand-in for something that must match ``regex``, which is one character long."""
        if len(self.parts) == _MOST:
            raise NeverMatches("too many brackets and escapes")
        self.text += chr(_FIRST + len(self.parts))
        self.parts.append(regex)

    def regex(self, regex: str) -> str:
        """``regex``, made of ``text``, with everything back in its place."""
        return re.sub(f"[{chr(_FIRST)}-{chr(_FIRST + _MOST - 1)}]", lambda m: self.parts[ord(m[0]) - _FIRST], regex)


def plain(pattern: str) -> Plain:
    """Raises NeverMatches."""
    result, at = Plain(), 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\":
            literal = pattern[at + 1 : at + 2]
            if not literal:
                raise NeverMatches("it ends with a backslash")
            if literal == "/":
                result.text += "/"
            else:
                result.add(re.escape(literal))
            at += 2
        elif sign == "[":
            regex, at = _bracket(pattern, at + 1)
            result.add(regex)
        elif sign == "*":
            end = at
            while pattern[end : end + 1] == "*":
                end += 1
            result.text += _stars(pattern, at, end)
            at = end
        elif sign in {"/", "?"} or sign.isalnum():
            result.text += sign
            at += 1
        else:
            result.add(re.escape(sign))
            at += 1
    return result


def _stars(pattern: str, at: int, end: int) -> str:
    """Two or more that stand alone between slashes cross folders; all others do not."""
    begins = at == 0 or pattern[at - 1] == "/"
    ends = pattern[end : end + 1] in ("", "/") or pattern[end : end + 2] == "\\/"
    return "**" if end - at > 1 and begins and ends else "*"


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """The set that begins behind '[': a regular expression and where the pattern goes on."""
    negated = pattern[at : at + 1] in ("!", "^") and at < len(pattern)
    at += negated
    members: list[str] = []
    before, first = "", True
    while first or pattern[at : at + 1] != "]":
        sign, first = pattern[at : at + 1], False
        if not sign:
            raise NeverMatches("a '[' has no ']'")
        if sign == "[" and pattern[at + 1 : at + 2] == ":":
            found = _class(pattern, at + 2)
            if found:
                members.append(found[0])
                before, at = "", found[1]
                continue
        if sign == "-" and before and pattern[at + 1 : at + 2] not in ("", "]"):
            last, at = _sign(pattern, at + 1)
            if before <= last:
                members.append(f"{re.escape(before)}-{re.escape(last)}")
            before = ""
            continue
        before, at = _sign(pattern, at)
        members.append(re.escape(before))
    inside = "".join(members)
    if negated:
        return f"[^/{inside}]", at + 1
    return (f"(?!/)[{inside}]" if inside else _NOTHING), at + 1


def _sign(pattern: str, at: int) -> tuple[str, int]:
    """One character, perhaps escaped, and where the pattern goes on."""
    if pattern[at] == "\\":
        at += 1
    if at == len(pattern):
        raise NeverMatches("a '[' has no ']'")
    return pattern[at], at + 1


def _class(pattern: str, at: int) -> tuple[str, int] | None:
    """'alpha:]' and so on; None where it is no class at all."""
    end = pattern.find("]", at)
    if end < 0:
        raise NeverMatches("a '[' has no ']'")
    if end == at or pattern[end - 1] != ":":
        return None
    name = pattern[at : end - 1]
    if name not in _CLASSES:
        raise NeverMatches(f"there is no [:{name}:]")
    return _CLASSES[name], end + 1
