"""Documents and pages of the commands about keys and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webraid.cli.words import ago, iso, many, moment
from webraid.errors import NotInTable
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.access.devices import Machine
    from webraid.jobs.access.keys import Slot
    from webraid.jobs.access.kit import Kit
    from webraid.jobs.access.recover import Recovered
    from webraid.jobs.access.rotate import Revoked, Rotated


# ----------------------------------------------------------------------------------------------------------- documents
def slot(item: Slot) -> dict[str, Any]:
    """A key slot."""
    created = {"created": iso(int(item.created * 1000))} if item.created else {}
    return {"id": item.id, "kind": item.kind, "label": item.label, **created}


def machine(item: Machine) -> dict[str, Any]:
    """A machine of the pool."""
    last = {"last_record": iso(int(item.last * 1000))} if item.last else {}
    return {
        "id": item.id, "name": item.name, "rights": list(item.rights), "records": item.records, **last,
        "removed": item.evicted, "this": item.this,
    }  # fmt: skip


def the_slot(items: Sequence[Slot], text: str) -> Slot:
    """The one whose id begins so.  Raises NotInTable."""
    found = [item for item in items if item.id.startswith(text.lower())]
    if len(found) != 1:
        raise NotInTable(f"{text!r} is none of the pool's key slots", hint="See 'webraid key ls'.")
    return found[0]


def the_device(items: Sequence[Machine], text: str) -> Machine:
    """The one of that name or id.  Raises NotInTable."""
    there = [item for item in items if not item.evicted]
    found = [item for item in there if item.name == text] or [item for item in there if item.id.startswith(text)]
    if len(found) != 1:
        raise NotInTable(f"{text!r} is not the name of one machine", hint="See 'webraid device ls'.")
    return found[0]


# --------------------------------------------------------------------------------------------------------------- pages
def slots(screen: Screen, items: Sequence[Slot]) -> None:
    """key ls."""
    screen.table(
        ("Id", "Kind", "Made", "Label"),
        [(item.id, item.kind, moment(int(item.created * 1000)) if item.created else "-", item.label) for item in items],
    )
    if sum(item.kind == "recovery code" for item in items) == 0:
        screen.next_step(
            "webraid key kit kit.html   (there is no recovery code: a forgotten passphrase loses everything)"
        )


def machines(screen: Screen, items: Sequence[Machine]) -> None:
    """device ls."""
    now = screen.env.now()
    rows = [
        (
            f"{item.name}{' (this one)' if item.this else ''}",
            item.id,
            "removed" if item.evicted else ", ".join(item.rights),
            f"{ago(now, int(item.last * 1000))}" if item.last else "-",
        )
        for item in items
    ]
    screen.table(("Machine", "Id", "May", "Last record"), rows)


def kit(screen: Screen, made: Kit, file: Path | None) -> None:
    """A new recovery kit."""
    if file is not None:
        screen.line(f"The recovery kit is in {file}: print it, keep it elsewhere, delete the file.")
        return
    screen.line("The recovery kit: print it or copy it by hand, and keep it where your computer is not.")
    screen.line()
    screen.lines(f"  {text}".rstrip() for text in made.text().splitlines())
    if screen.out.is_terminal and not screen.ascii:
        screen.lines(["", *made.qr().splitlines(), "The code and the pool as a QR code."])


def recovered(screen: Screen, result: Recovered) -> None:
    """A pool that is back, what this machine is in it, and what is to be done if it stands for one that is lost."""
    lines = [f"This machine is called {result.machine}; it may: {', '.join(result.rights)}."]
    if result.others:
        lines.append(f"If another one ({', '.join(result.others)}) was lost or stolen: webraid key revoke NAME")
    screen.recovered(result, lines)


def exported(screen: Screen, file: Path, size: int) -> None:
    """key export."""
    screen.line(f"{file} holds all key slots and the signed log ({show_size(size)}).")
    screen.line("It opens with the passphrase or a recovery code only; keep a copy where the disks are not.")


def rotated(screen: Screen, done: Rotated) -> None:
    """key rotate."""
    screen.line(f"The keys are changed (number {done.epoch}): what is stored from now on is sealed under the new ones.")
    screen.line(
        f"{many(done.dropped, 'older passphrase or code opens', 'older passphrases and codes open')} nothing any more."
    )
    screen.line(f"The new keys were given to: {', '.join(done.devices)}.")
    screen.line()


def would_rotate(screen: Screen, gone: Machine | None, stay: Sequence[str], keys: int) -> None:
    """key rotate and revoke, with --dry-run."""
    if gone is not None:
        screen.line(f"Machine {gone.name} would be removed after its record {gone.records}.")
    screen.line(f"The keys would be changed; they would be given to: {', '.join(stay)}.")
    screen.line(f"{many(keys, 'passphrase or code', 'passphrases and codes')} would open nothing any more.")


def removed(screen: Screen, values: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """device rm."""
    word = "would be" if dry_run else "is"
    screen.line(
        f"Machine {values['name']} {word} removed: its records up to number {values['seq']} count, no later ones."
    )
    if values.get("unfinished"):
        screen.line(f"{many(values['unfinished'], 'unfinished run')} of it will never be snapshots.")
    if not dry_run:
        screen.next_step("webraid key rotate   (if somebody else may have it: it still has the keys it had)")


def revoked(screen: Screen, done: Revoked) -> None:
    """key revoke."""
    gone = done.removed
    screen.line(f"Machine {gone.name} is removed: its records up to number {gone.seq} count, no later ones.")
    rotated(screen, done.rotated)
    screen.line("It may still have the logins of these disks. Make each of them anew:")
    for number, token in enumerate(done.tokens, 1):
        screen.lines([f"  {number}. {token.disk} ({token.kind}): {token.where}"])
    screen.line()
