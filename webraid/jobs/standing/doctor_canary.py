"""Blast radius: which disks could whoever takes over this machine erase?  Tried out, with an object of no meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from webraid.backend.base import Backend
from webraid.errors import ObjectNotFound, PermissionDenied, Unsupported
from webraid.jobs.base.context import Context
from webraid.jobs.care.margin import margin
from webraid.jobs.standing.doctor_finding import Finding, Severity, good, note
from webraid.table.gather import gather
from webraid.table.survey import digest_of

CANARY = "canary/"  # see docs/spec/layout.md


class Fate(StrEnum):
    """What became of the canary."""

    ERASED = "erased"
    TRASH = "trash"  # the provider keeps what is deleted for a while
    VERSIONS = "versions"  # the bucket keeps versions: hidden at least, and gone where the keys may delete these too
    REFUSED = "refused"  # these keys may not delete
    LOCKED = "locked"  # the delete was answered with yes, and the object is still there
    UNKNOWN = "unknown"


LOST = (Fate.ERASED, Fate.TRASH, Fate.VERSIONS)
WORDS = {
    Fate.ERASED: "can be erased from here",
    Fate.TRASH: "can be emptied from here; its provider keeps a trash for a while",
    Fate.VERSIONS: "can be emptied from here; its versions are safe only if these keys may not delete them",
    Fate.REFUSED: "cannot be erased from here: its keys may not delete (nor the canary, which stays in canary/)",
    Fate.LOCKED: "cannot be erased from here: what is deleted stays (an object lock), the canary in canary/, too",
    Fate.UNKNOWN: "could not be tried",
}  # fmt: skip


@dataclass(slots=True)
class Blast:
    """``fates``: by disk; ``survives``: whether everything can be read when all that can be erased is erased."""

    fates: dict[str, Fate] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    survives: bool = False

    @property
    def erasable(self) -> list[str]:
        """Disks that whoever holds this machine can empty."""
        return sorted(name for name, fate in self.fates.items() if fate in LOST)


def _try(backend: Backend, *, name: str, data: bytes, bucket: bool) -> Fate:
    """Put a canary and delete it.  One that an earlier look could not delete is used again, so they do not gather."""
    left = next(iter(backend.list(CANARY)), None)
    stored = left or backend.put(name, data, digest=digest_of(data))
    try:
        backend.delete(stored.name, locator=stored.locator)
    except (PermissionDenied, Unsupported):
        return Fate.REFUSED
    try:
        backend.stat(stored.name)
    except ObjectNotFound:
        pass
    else:
        return Fate.LOCKED
    if bucket and stored.version:  # only a bucket that keeps versions names them
        return Fate.VERSIONS
    return Fate.TRASH if backend.caps.trash else Fate.ERASED


def blast_radius(ctx: Context) -> tuple[Blast, list[Finding]]:
    """Try it on every disk that answers, all at once."""
    blast, usable = Blast(), [disk for disk in ctx.table.usable() if disk in ctx.domains()]
    asked = {}
    for disk in usable:
        bucket = ctx.table.state.disks[disk].kind == "s3"
        trial = partial(_try, name=f"{CANARY}{ctx.env.random(8).hex()}", data=ctx.env.random(16), bucket=bucket)
        asked[disk] = ctx.disks[disk].call(trial)
    patience = ctx.config.limits.patience * 2
    answers, errors = gather(asked, ctx.env, enough=lambda _: False, patience=patience)
    for disk in usable:
        name = ctx.disk_name(disk)
        blast.fates[name] = answers.get(disk, Fate.UNKNOWN)
        if disk in errors:
            blast.reasons[name] = str(errors[disk])
    erased = {disk for disk, fate in answers.items() if fate in LOST}
    rest = {disk: domain for disk, domain in ctx.domains().items() if disk in usable and disk not in erased}
    blast.survives = bool(rest) and margin(ctx, rest).survives >= 0
    return blast, _findings(ctx, blast)


def _findings(ctx: Context, blast: Blast) -> list[Finding]:
    found = []
    for fate in dict.fromkeys(blast.fates.values()):
        names = [name for name, other in blast.fates.items() if other is fate]
        found.append(note("blast radius", f"{', '.join(f'{n}{_because(blast, n)}' for n in names)}: {WORDS[fate]}"))
    count, of = len(blast.erasable), len(blast.fates)
    if not blast.fates:
        return []
    if not count:
        return [good("blast radius", "this machine can erase no disk"), *found]
    what = f"this machine's keys can erase {count} of {of} disks"
    if blast.survives:
        return [good("blast radius", f"{what}; everything could still be read without them"), *found]
    why = "whoever takes over this machine (ransomware, a thief) can destroy all data; no level helps against that"
    todo = (
        "Give enough disks keys that may not delete, a bucket with object lock, or a disk that is plugged in only now "
        "and then: see docs/guide/health.md."
    )
    # advice that most pools of one person cannot follow: it does not make scripts fail
    return [Finding(Severity.WARNING, "blast radius", what, why, todo), *found]


def _because(blast: Blast, name: str) -> str:
    return f" ({blast.reasons[name]})" if name in blast.reasons else ""
