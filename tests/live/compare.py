"""Whether a fake answers as the real one did: the journals of both, request by request."""

from __future__ import annotations

from collections import defaultdict

from tests.live.journal import Journal

# What happens to a live account by chance, and to a fake only when it is told to.
CHANCE = frozenset({408, 429, 500, 502, 503, 504})


def differences(real: Journal, fake: Journal) -> list[str]:
    """Sentences, one for each request, status, reason or field that one of them has and the other has not."""
    answers = (_answers(real), _answers(fake))
    found = []
    for request in sorted(answers[0].keys() | answers[1].keys()):
        theirs, ours = answers[0].get(request), answers[1].get(request)
        if theirs is None:
            found.append(f"{request}: the real one was never asked this")
        elif ours is None:
            found.append(f"{request}: the fake was never asked this")
        else:
            found += _outcomes(request, theirs, ours)
    return found


def _answers(journal: Journal) -> dict[str, dict[str, set[str]]]:
    """Request -> outcome -> the fields of its answers."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for shape, seen in journal.shapes.items():
        if shape.status not in CHANCE:
            found[shape.request][shape.outcome] |= seen.fields
    return found


def _outcomes(request: str, theirs: dict[str, set[str]], ours: dict[str, set[str]]) -> list[str]:
    found = [f"{request}: the fake never answers {outcome}" for outcome in sorted(theirs.keys() - ours.keys())]
    found += [f"{request}: the fake answers {outcome}, the real one never" for outcome in sorted(ours.keys() - theirs)]
    for outcome in sorted(theirs.keys() & ours.keys()):
        where = f"{request}, {outcome}"
        found += [f"{where}: the fake's answer lacks {name}" for name in sorted(theirs[outcome] - ours[outcome])]
        found += [f"{where}: only the fake's answer has {name}" for name in sorted(ours[outcome] - theirs[outcome])]
    return found
