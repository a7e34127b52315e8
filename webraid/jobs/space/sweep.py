"""Deleting from the disks: what lies there of swept packs, one failure domain first, then a look, then the others.

What is to be deleted follows from the log and the listings alone.  So an interrupted sweep, or a disk that could not be
reached, needs no queue: any machine's next prune finds what is left.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from webraid.backend.base import Backend
from webraid.errors import BackendError, IntegrityError, ObjectNotFound
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice, Progress
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks, with_good_homes
from webraid.model import PackKind, Stored, many, shard_name
from webraid.table.gather import gather

Listing = dict[bytes, dict[str, Stored]]  # disk -> name -> object, of the disks that could be listed
_NAME = re.compile(r"shards/([0-9a-f]{2})/(\1[0-9a-f]{30})\.(0|[1-9][0-9]{0,2})")
PATIENCE = 8  # times the usual patience, for a listing or a part of the deletions
PART = 100  # objects deleted in one go where there are no batches
LOOKS = 4  # packs of which a shard is read after the first domain
RECHECKS = 50  # shards asked for by name, should a listing lack them


def shard_of(name: str) -> tuple[bytes, int] | None:
    """(pack id, index) of an object that can be a shard of ours."""
    match = _NAME.fullmatch(name)
    return (bytes.fromhex(match[2]), int(match[3])) if match else None


def list_shards(ctx: Context, disks: Iterable[bytes]) -> tuple[Listing, dict[bytes, BackendError]]:
    """What lies below shards/ on each disk, but for what can be none of ours; and who could not be asked."""
    answers, errors = gather(
        {disk: ctx.disks[disk].list("shards/") for disk in disks if disk in ctx.disks}, ctx.env,
        enough=lambda _: False, patience=ctx.config.limits.patience * PATIENCE,
    )  # fmt: skip
    return {disk: {stored.name: stored for stored in found} for disk, found in answers.items()}, errors


@dataclass(slots=True)
class Swept:
    """``freed``: bytes by disk; ``failed``: why a disk still has some of it."""

    objects: int = 0
    freed: dict[bytes, int] = field(default_factory=dict)
    failed: dict[bytes, str] = field(default_factory=dict)


def sweep(
    ctx: Context, targets: Mapping[bytes, Mapping[str, Stored]], listing: Listing, live: Iterable[bytes]
) -> Swept:
    """Delete ``targets`` (disk -> objects).  ``live``: packs that must be there afterwards.

    Raises IntegrityError when something else is gone after the first failure domain: the other ones are not touched.
    """
    done, domains = Swept(), ctx.domains()
    todo = {disk: dict(objects) for disk, objects in targets.items() if objects and disk in domains}
    if not todo:
        return done
    by_domain: dict[str, list[bytes]] = {}
    for disk in sorted(todo):
        by_domain.setdefault(domains[disk], []).append(disk)
    first = max(by_domain, key=lambda name: (sum(len(todo[disk]) for disk in by_domain[name]), name))
    _delete(ctx, {disk: todo[disk] for disk in by_domain[first]}, done)
    _look(ctx, by_domain[first], listing, list(live), todo)
    others = {disk: objects for disk, objects in todo.items() if disk not in by_domain[first]}
    _delete(ctx, others, done)
    return done


def _delete(ctx: Context, todo: Mapping[bytes, Mapping[str, Stored]], done: Swept) -> None:
    """Part by part, all disks at once.  A disk that fails keeps the rest."""
    left = {disk: sorted(objects) for disk, objects in todo.items()}
    while left:
        parts = {disk: names[: _part(ctx, disk)] for disk, names in left.items()}
        futures = {
            disk: ctx.disks[disk].call(_deleting({name: todo[disk][name].locator for name in names}), urgent=False)
            for disk, names in parts.items()
        }
        answers, errors = gather(
            futures, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * PATIENCE
        )  # fmt: skip
        for disk in answers:
            done.objects += len(parts[disk])
            done.freed[disk] = done.freed.get(disk, 0) + sum(todo[disk][name].size for name in parts[disk])
        for disk, error in errors.items():
            done.failed[disk] = str(error)
            ctx.event(DiskNotice(ctx.disk_name(disk), f"not everything could be deleted: {error}"))
        ctx.event(Progress(done.objects, sum(done.freed.values())))
        left = {disk: names[len(parts[disk]) :] for disk, names in left.items() if disk in answers}
        left = {disk: names for disk, names in left.items() if names}


def _part(ctx: Context, disk: bytes) -> int:
    return max(PART, ctx.disks[disk].caps.batch_delete)


def _deleting(objects: Mapping[str, str]) -> Callable[[Backend], None]:
    return lambda backend: backend.delete_many(objects)


# -------------------------------------------------------------------------------------------------- the look afterwards
def _look(
    ctx: Context, disks: Iterable[bytes], before: Listing, live: list[bytes], gone: Mapping[bytes, Mapping[str, Stored]]
) -> None:
    """Whatever was there besides is there still, some of it is read, and some chunks are brought back."""
    steady = [disk for disk in disks if ctx.disks[disk].caps.list_consistency == "strong"]
    after, _ = list_shards(ctx, steady)
    for disk, names in after.items():
        lost = _unexplained(ctx, disk, sorted(before[disk].keys() - gone[disk].keys() - names.keys()))
        _accuse(ctx, disk, [name for name in lost[:RECHECKS] if not _is_there(ctx, disk, name)])
    sample = ctx.env.rng.sample(live, min(LOOKS, len(live)))
    _read_shards(ctx, {disk: before[disk].keys() for disk in disks}, sample)
    wanted = []
    for pack_id in sample:
        places = ctx.index.places(pack_id)
        if places:
            wanted.append(Wanted(pack_id, [ctx.env.rng.choice(places)]))
    failed = [item for item in read_chunks(ctx, wanted) if isinstance(item, ChunkFailure)]
    if failed:
        ctx.open_table()  # did somebody else sweep it meanwhile?
    packs = {place.id: item.pack for item in wanted for place in item.places}
    for failure in failed:
        if not {packs[place.id] for place in failure.places} <= ctx.table.state.swept:
            raise IntegrityError(
                f"after the first deletions something cannot be read that must be there: {failure.error}",
                hint="Nothing more was deleted. Run 'webraid check' and 'webraid repair' before anything else.",
            )


def _unexplained(ctx: Context, disk: bytes, names: list[str]) -> list[str]:
    """Those shards that no record says may be gone: other machines may be deleting as well."""

    def explained(name: str) -> bool:
        shard = shard_of(name)
        state = ctx.table.state
        return shard is None or shard[0] in state.swept or state.left(disk, *shard)

    return [name for name in names if not explained(name)]


def _is_there(ctx: Context, disk: bytes, name: str) -> bool:
    """No answer is no proof that it is gone."""
    _, errors = gather(
        {0: ctx.disks[disk].stat(name)}, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience
    )  # fmt: skip
    return not any(isinstance(error, ObjectNotFound) for error in errors.values())


def _read_shards(ctx: Context, before: Mapping[bytes, Collection[str]], packs: Iterable[bytes]) -> None:
    """``before``: what was listed on the disks that were deleted from.  What was missing then is not their doing."""
    bad = ctx.index.bad()
    for pack_id in packs:
        pack = ctx.index.pack(pack_id)
        if pack is None:
            continue
        for home in with_good_homes(ctx, pack, bad).homes:
            index = 0 if pack.kind is PackKind.TABLE else home.index
            name, digest = shard_name(pack_id, index), pack.shards[min(index, len(pack.shards) - 1)]
            if name not in before.get(home.disk, ()):
                continue
            answers, errors = gather(
                {0: ctx.disks[home.disk].get(name, locator=home.locator)}, ctx.env, enough=lambda _: False,
                patience=ctx.config.limits.patience,
            )  # fmt: skip
            absent = any(isinstance(error, ObjectNotFound) for error in errors.values())
            if absent:
                _accuse(ctx, home.disk, [name])
            elif answers and hashlib.sha256(answers[0]).digest() != digest:
                raise IntegrityError(
                    f"disk {ctx.disk_name(home.disk)} serves wrong bytes of what must stay: {name}",
                    hint="Nothing was deleted on the other disks. Run 'webraid check --read-data', then"
                    " 'webraid repair'.",
                )


def _accuse(ctx: Context, disk: bytes, names: list[str]) -> None:
    if names:
        ctx.open_table()  # somebody else may have said meanwhile that they go
        names = _unexplained(ctx, disk, names)
    if names:
        shards = f"{many(len(names), 'shard')}, such as {names[0]}"
        raise IntegrityError(
            f"disk {ctx.disk_name(disk)} lost more than it was told to delete: {shards}",
            hint="Nothing was deleted on the other disks. Run 'webraid check', then 'webraid repair': they have it.",
        )
