"""What a result means, in a sentence, and what to do next.  Both outputs say the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.cli.words import further, listed, many, survival
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, worst
from webraid.model import DiskState, PoolState, show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from webraid.backend.budget import Balance
    from webraid.cli.traffic import Traffic
    from webraid.jobs.care.check import CheckResult
    from webraid.jobs.care.findings import Findings
    from webraid.jobs.care.repair import Repaired
    from webraid.jobs.disks.add_backend import Added
    from webraid.jobs.restoring.get import GetResult
    from webraid.jobs.standing.status import DiskStatus, Status
    from webraid.jobs.storing.put import PutResult

IN_SERVICE = (DiskState.ONLINE, DiskState.DRAINING, DiskState.SPARE)
WHEN = {"day": "today", "month": "this month"}  # by a budget's Period
NEXT_REPAIR = "Run 'webraid repair'."
NEXT_LOST = (
    "Run 'webraid repair': it looks into this machine's own files, too. Bring a lost disk back if there is one. "
    "See 'webraid status'."
)
NEXT_ALARM = "Run 'webraid check' and find out what happened to that disk: its answers do not count."


# ------------------------------------------------------------------------------------------------------------- status
def of_status(now: Status) -> str:
    """The verdict: first line of the front page."""
    if not now.joined:
        return "This pool has no disk yet."
    if now.survives < 0:
        lost = f": {many(now.unreadable_packs, 'pack')} cannot be read" if now.unreadable_packs else ""
        return f"FAILED: some data cannot be read now{lost}."
    if now.still_needed:
        are = "is" if now.joined == 1 else "are"
        return f"Not ready: {now.level} needs {now.joined + now.still_needed} disks, and there {are} {now.joined}."
    sentence = survival(now.survives, now.joined)
    if now.state == PoolState.ONLINE and weaker(now):
        return f"All disks are there, but the pool {sentence}, not {now.promised} as {now.level} promises."
    if now.state == PoolState.ONLINE:
        return f"All is well: the pool {sentence}."
    if now.promised is not None and now.survives < now.promised:
        return f"DEGRADED: everything can be read; {further(now.survives)} ({now.level} promises {now.promised})."
    gone = _gone(now.disks)
    if gone:
        return f"DEGRADED: {listed(gone)} {_do(gone)} not answer; everything can be read, and {further(now.survives)}."
    return f"DEGRADED: everything can be read and the pool {sentence}, but not all is as it should be."


def weaker(now: Status) -> bool:
    """Whether less may be lost than the pool's level promises."""
    return now.promised is not None and now.survives < now.promised


def after_status(now: Status) -> str:
    """What to do next; '' when there is nothing."""
    if not now.joined or now.still_needed:
        how_many = many(now.still_needed, "more disk") if now.joined else "one"
        return f"Add {how_many}: 'webraid add-backend KIND NAME ...'."
    if now.alarms:
        return NEXT_ALARM
    gone = _gone(now.disks)
    mendable = [disk for disk in now.disks if disk.hint]
    if mendable:
        return "; ".join(f"{disk.name}: {disk.hint.rstrip('.')}" for disk in mendable) + "."
    if gone:
        if now.survives < 0:
            return f"Bring {listed(gone)} back: what cannot be read lies there. Then run 'webraid repair'."
        they, each = ("it", "") if len(gone) == 1 else ("they", " for each")
        return (
            f"Bring {listed(gone)} back, then run 'webraid repair'. If {they} will not come back: add another "
            f"disk{each} ('webraid add-backend'), then 'webraid rebuild {gone[0]} --onto NEW'."
        )
    joining = [disk for disk in now.disks if disk.state == DiskState.REBUILDING]
    if joining:
        return f"Run 'webraid add-backend {joining[0].kind} {joining[0].name} ...' again: it did not finish."
    if now.missing_shards or now.unreadable_packs:
        return NEXT_REPAIR
    if not now.snapshots:
        return "Run 'webraid put PATH' to store something."
    return _together(now.disks) if weaker(now) else ""


def _gone(disks: list[DiskStatus]) -> list[str]:
    """Names of the disks that do not answer, or not as they should."""
    return [disk.name for disk in disks if disk.state in (DiskState.UNREACHABLE, DiskState.FAULTED)]


def _together(disks: list[DiskStatus]) -> str:
    """Which disks fail together, as a level counts their loss as one and a stripe has a shard on each; '': none."""
    domains: dict[str, list[str]] = {}
    for disk in disks:
        domains.setdefault(disk.domain, []).append(disk.name)
    shared = [f"{listed(names)} ({domain})" for domain, names in domains.items() if len(names) > 1]
    if not shared:
        return ""
    return f"Use disks in more places: these fail together and count as one loss: {'; '.join(shared)}."


def of_resting(disks: list[DiskStatus]) -> str:
    """Which accounts have not been written to for too long; '' when there are none."""
    names = [disk.name for disk in disks if disk.overdue]
    if not names:
        return ""
    them = f"{listed(names)} {'has' if len(names) == 1 else 'have'} not been written to for a long time"
    return f"{them}: providers close accounts that rest. 'webraid put' writes to every disk."


def status_code(now: Status) -> int:
    """How bad it is, as an exit code (only 'status --exit-code' ends with it)."""
    return worst(
        EXIT_ALARM if now.alarms else EXIT_OK,
        EXIT_UNREADABLE if now.survives < 0 and now.joined else EXIT_OK,
        EXIT_DEGRADED if now.state != PoolState.ONLINE or weaker(now) or now.still_needed else EXIT_OK,
    )


def unreachable(disks: list[DiskStatus]) -> list[str]:
    """Names of the disks that do not count just now."""
    return [disk.name for disk in disks if disk.state not in IN_SERVICE]


# --------------------------------------------------------------------------------------------------------------- jobs
def of_added(added: Added) -> str:
    """What the pool survives now, or how many more disks it takes."""
    have = f"the pool has {many(added.disks, 'disk')}"
    if added.survives is None:
        return f"{have}; {added.level} needs {added.still_needed} more."
    sentence = f"{have} and with {added.level} {survival(added.survives, added.disks)}."
    if added.silent:
        return f"{have}; {listed(added.silent)} {_do(added.silent)} not answer."
    if added.stored_survives is not None and added.stored_survives < added.survives:
        older = f"What is stored already {survival(max(0, added.stored_survives), added.disks)}"
        return f"{sentence}\n{older}, until 'webraid repair' has run."
    return sentence


def after_added(added: Added) -> str:
    """What to do next; '' when there is nothing."""
    if added.survives is None:
        return "webraid add-backend"
    if added.stored_survives is None:
        return "webraid put PATH"
    if added.silent:
        gone = added.silent[0]
        return f"webraid rebuild {gone} --onto {added.name}   (if {gone} is gone for good; else bring it back)"
    return NEXT_REPAIR if added.stored_survives < added.survives else ""


def of_put(result: PutResult) -> str:
    """The honest acknowledgement."""
    sentence = survival(min(result.survives, result.promised), result.disks)  # more is by chance: nothing but the table
    if result.survives < result.promised:
        return f"{sentence}, not {result.promised} as {result.level} promises"
    return sentence


def after_put(result: PutResult, flows: Sequence[Traffic] = ()) -> str:
    """What to do next; '' when there is nothing."""
    if result.alarms:
        return NEXT_ALARM
    failed = [flow.disk for flow in flows if flow.errors]
    if result.survives < result.promised and failed:
        return (
            f"Bring {listed(failed)} back ('webraid status' says what is wrong): the next put or 'webraid repair' "
            "makes up for it."
        )
    if result.survives < result.promised:
        return (
            "Bring the missing disks back, if there are any: the next put or 'webraid repair' makes up for it. "
            "'webraid status' says why."
        )
    if result.problems:
        return "Look at the files above: they are not in the snapshot as they should be."
    return ""


def of_budgets(balances: Iterable[Balance]) -> str:
    """'left this month: 998,766 writes, 27.9 GiB of downloads; today: 740.0 GiB of uploads'."""
    from webraid.backend.budget import WORDS, Resource

    parts: dict[str, list[str]] = {}
    for balance in balances:
        resource, when = balance.allowance.resource, WHEN[balance.allowance.period]
        size = show_size(balance.left) if resource in (Resource.EGRESS, Resource.UPLOAD) else f"{balance.left:,}"
        of = "of " if resource in (Resource.EGRESS, Resource.UPLOAD) else ""
        parts.setdefault(when, []).append(f"{size} {of}{WORDS[resource]}" if balance.left else f"no {WORDS[resource]}")
    return "left " + "; ".join(f"{when}: {', '.join(words)}" for when, words in parts.items())


def after_get(result: GetResult) -> str:
    """What to do next; '' when there is nothing."""
    if result.unreadable and result.narrowed:
        return "Name more disks with --backend, or leave it out: files that are there already are skipped."
    if result.unreadable:
        return f"Bring a lost disk back and run it again: files that are there already are skipped. {_see()}"
    return ""


def of_check(result: CheckResult) -> str:
    """What the check found, in a sentence."""
    if result.lost_packs or (result.lost_chunks and not result.silent):
        packs, chunks = many(result.unreadable_packs, "pack"), many(result.lost_chunks, "chunk")
        return f"DAMAGED: {packs} cannot be read, and with them {chunks}."
    return of_findings(result)


def of_findings(result: Findings) -> str:
    """What a check or scrub found on the disks, in a sentence."""
    corrupt = sum(disk.corrupt for disk in result.disks)
    if not result.disks:
        return "There is nothing to check: this pool has no disk yet."
    if result.lost_packs:
        return f"DAMAGED: {many(result.unreadable_packs, 'pack')} cannot be read."
    if result.damaged or result.survives < 0:
        why = f"while {listed(result.silent)} {_do(result.silent)} not answer" if result.silent else "now"
        what = many(result.unreadable_packs, "pack") if result.unreadable_packs else "the pool"
        return f"OUT OF REACH: {what} cannot be read {why}."
    sentence = survival(result.survives, result.among or len(result.disks))
    if result.alarms or corrupt:
        found = [many(corrupt, "corrupt shard")] if corrupt else []
        found += [many(len(result.alarms), "alarm")] if result.alarms else []
        return f"ALARM: {' and '.join(found)}; everything can still be read; the pool {sentence}."
    if result.missing_shards:
        missing = many(result.missing_shards, "shard")
        return f"Incomplete: {missing} missing; everything can be read; the pool {sentence}."
    if result.survives < result.promised:
        return f"Nothing is missing, but the pool {sentence}, not {result.promised} as promised."
    if result.still_needed:
        return f"Nothing bad was found, but the pool lacks {many(result.still_needed, 'disk')} for its level."
    return f"All is well: the pool {sentence}."


def after_check(result: CheckResult) -> str:
    """What to do next; '' when there is nothing."""
    if result.lost_chunks and not result.silent:
        return NEXT_LOST
    return after_findings(result)


def after_findings(result: Findings) -> str:
    """The same of a check's or scrub's look at the disks."""
    if result.lost_packs:
        return NEXT_LOST
    if (result.missing_shards or result.damaged or result.survives < 0) and result.silent:
        return f"Bring {listed(result.silent)} back ('webraid status' says what is wrong), then run 'webraid repair'."
    if result.damaged:
        return NEXT_LOST
    if result.missing_shards or any(disk.corrupt for disk in result.disks):
        return NEXT_REPAIR
    if result.alarms:
        return "Find out what happened to the disks that raised an alarm, then run 'webraid repair'."
    if result.survives < result.promised:
        return "'webraid status' says why."
    return ""


def repair_code(result: Repaired) -> int:
    """Exit code of a repair: what is lost, what waits for a disk."""
    return worst(
        EXIT_UNREADABLE if result.lost else EXIT_OK, EXIT_DEGRADED if result.waiting else EXIT_OK,
        result.refused.exit_code if result.refused is not None else EXIT_OK,
    )  # fmt: skip


def of_repair(result: Repaired) -> str:
    """What the repair did, in a sentence."""
    parts = [f"{many(result.shards, 'shard')} made again"] if result.shards else []
    if result.saved:
        parts.append(f"{many(result.saved, 'chunk')} that no disk had any more stored anew")
    idle = not parts and not result.waiting and not result.lost and result.refused is None
    parts += ["nothing to mend"] if idle else []
    if result.waiting:
        parts.append(f"{many(result.waiting, 'shard')} must wait for a disk")
    if result.lost:
        parts.append(f"{many(result.lost, 'pack')} cannot be made again: too few shards are left")
    if idle and result.silent:
        them = "it has" if len(result.silent) == 1 else "they have"
        parts.append(f"{listed(result.silent)} {_do(result.silent)} not answer: what {them} is waited for")
    if result.refused is not None:
        kept = f"{many(result.unsaved, 'unreadable pack')} whose content is still at hand must wait: {result.refused}"
        parts.append(kept)
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _see() -> str:
    return "See 'webraid status'."


def _do(names: Sequence[str]) -> str:
    return "does" if len(names) == 1 else "do"
