"""durability: what is survived now, and what a model with stated rates says of a year."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import typer

from webraid.cli import documents
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import duration, many, survival
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.standing.durability import Durability

BEYOND = "rarer than once in {years:,} years by this model; other things will go wrong first"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "durability")(durability)


def durability(call: Invocation) -> None:
    """Say what may be lost without losing data, and how likely.

    First what is true now: how many disks may go, and which of them fail together.  Then a model: the rates it takes
    for an account or a drive are printed with it, and so is what no level helps against.

    \b
    Example:
      webraid durability
    """
    with call.pool() as pool, call.hush(), call.job("durability", pool):
        found = pool.durability()
    call.show(lambda: _document(found), lambda screen: _page(screen, found))


def about(years: float) -> str:
    """'about 1 in 490 years', never a row of nines."""
    from webraid.jobs.standing.durability import RAREST

    if years > RAREST:
        return BEYOND.format(years=RAREST)
    if years < 1:
        return "within a year, as good as certain"
    digits = 0 if years < 10 else -len(str(int(years))) + 2  # two digits: the model knows no more
    return f"about 1 in {round(years, digits):,.0f} years"


def _document(found: Durability) -> dict[str, Any]:
    return documents.summary(
        "durability",
        redundancy={"survives": found.survives, "disks": found.disks, "domains": found.domains},
        levels=[
            {
                "shape": level.shape,
                "packs": level.packs,
                "bytes_stored": level.bytes,
                "survives": level.survives,
                "promised": level.promised,
            }
            for level in found.levels
        ],
        together=[
            {"domain": item.domain, "backends": list(item.disks), "survives_after": item.survives}
            for item in found.together
        ],
        model={
            "rates": [
                {"domain": rate.domain, "backends": list(rate.disks), "losses_per_year": round(rate.rate, 6)}
                for rate in found.rates
            ],
            "repair_seconds": round(found.repair),
            "hot_spare": found.spare,
            "years": _years(found.years),
            "years_never_repaired": _years(_inverse(found.loss_never_repaired)),
            "common_mode_per_year": found.common,
            "years_with_common_mode": _years(found.total_years),
        },
        exit_code=0,
    )


def _inverse(loss: float) -> float:
    from webraid.array.durability import years_of

    return years_of(loss)


def _years(years: float) -> float:
    """Capped, as on the page: figures beyond that mean nothing."""
    from webraid.jobs.standing.durability import RAREST

    return float(f"{min(years, RAREST):.2g}") if math.isfinite(years) else float(RAREST)


def _page(screen: Screen, found: Durability) -> None:
    screen.verdict(_sentence(found), 0 if found.survives > 0 else 20 if found.survives == 0 else 21)
    if not found.disks:
        screen.next_step("Add one: 'webraid add-backend KIND NAME ...'.")
        return
    if found.levels:
        screen.line()
        rows = [
            [
                level.shape,
                f"{level.packs:,}",
                show_size(level.bytes),
                _any(level.survives, found),
                "" if level.survives >= level.promised else f"promised {level.promised}",
            ]
            for level in found.levels
        ]
        screen.table(("Stripes", "Packs", "Stored", "May be lost", ""), rows, right=("Packs", "Stored"))
    if found.together:
        screen.line()
    for item in found.together:
        left = "data is lost with it" if item.survives < 0 else f"then {_further(item.survives)}"
        screen.line(f"Losing {item.domain} loses {many(len(item.disks), 'disk')} at once "
                    f"({', '.join(item.disks)}): {left}.")  # fmt: skip
    if found.survives < 0 or found.still_needed:
        screen.next_step("'webraid status' says what to do. A model has nothing to say before that is done.")
        return
    screen.line()
    screen.line("What a model makes of it (assumptions, see docs/guide/health.md):")
    screen.pairs([
        ("lost a year", "; ".join(f"{rate.domain} {rate.rate:.1%}" for rate in found.rates) or "no disk answers"),
        ("made good in", f"{duration(found.repair)}: {_how(found)}, then the copying"),
        ("disks alone", about(found.years)),
        ("if nobody repairs", about(_inverse(found.loss_never_repaired))),
        ("what takes all", f"{about(1 / found.common)}: passphrase and kit lost, all logins stolen and used"),
        ("together", about(found.total_years)),
    ])  # fmt: skip
    screen.line("No level helps against what takes all.")
    screen.line("A printed kit in another house and keys that may not delete do.")


def _sentence(found: Durability) -> str:
    if not found.disks:
        return "This pool has no disk yet."
    if found.survives < 0:
        return "Some data cannot be read now."
    if found.still_needed and not found.levels:
        return f"Not ready: the pool lacks {many(found.still_needed, 'disk')} for its level."
    return f"The pool {survival(found.survives, found.disks)}."


def _any(survives: int, found: Durability) -> str:
    if survives < 0:
        return "cannot be read now"
    if not survives:
        return "none"
    noun = "domain" if found.domains < found.disks else "disk"
    of = found.domains if found.domains < found.disks else found.disks
    return f"any {survives} of {many(of, noun)}"


def _further(survives: int) -> str:
    return "no further one may be lost" if not survives else f"{survives} further may be lost"


def _how(found: Durability) -> str:
    return "a day until a hot spare takes over" if found.spare else "a week until somebody has put another disk there"
