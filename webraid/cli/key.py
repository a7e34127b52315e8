"""key: passphrases, recovery codes and the keys behind them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import pages_keys, passphrase
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.errors import EXIT_ALARM, EXIT_OK, ConfigError

if TYPE_CHECKING:
    from webraid.jobs.access.kit import Kit

SLOT = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.", show_default=False)]
LABEL = Annotated[str, typer.Option(metavar="TEXT", help="What it is called in 'key ls'.", show_default=False)]
WEAK = Annotated[bool, typer.Option("--weak-passphrase", help="Take a passphrase that is quickly guessed.")]
NEW_FILE = Annotated[
    str, typer.Option(metavar="FILE", help="Read the new passphrase from this file.", show_default=False)
]
NEW_COMMAND = Annotated[
    str, typer.Option(metavar="COMMAND", help="Take what this command prints as new passphrase.", show_default=False)
]
KIT = Annotated[
    Path | None,
    typer.Option("--kit", metavar="FILE", help="Write the new recovery kit there (.txt, or .html to print)."),
]
DRY = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")]
FILE = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "key", "Passphrases, recovery codes, and the keys behind them.")
    for name, function in (
        ("ls", ls), ("add", add), ("passwd", passwd), ("rm", rm), ("kit", kit), ("rotate", rotate),
        ("revoke", revoke), ("export", export), ("import", import_), ("passphrase", suggest),
    ):  # fmt: skip
        command(group, name)(function)


def ls(call: Invocation) -> None:
    """List what opens the pool.

    Which passphrase belongs to which line nobody can tell, webraid included; labels help.

    \b
    Example:
      webraid key ls
    """
    with call.pool() as pool, call.hush(people=False):
        found = pool.key_slots()
    call.show(
        lambda: summary("key ls", keys=[pages_keys.slot(item) for item in found]),
        lambda screen: pages_keys.slots(screen, found),
    )


def add(
    call: Invocation, label: LABEL = "", new_password_file: NEW_FILE = "", new_password_command: NEW_COMMAND = "",
    weak_passphrase: WEAK = False,
) -> None:  # fmt: skip
    """Add another passphrase.

    It opens everything, as the first one does. You are asked for one that the pool has (or the recovery code), then
    for the new one.

    \b
    Examples:
      webraid key add --label ann
      webraid key add -p old.txt --new-password-file new.txt
    """
    secret = passphrase.needed(call, "Passphrase of the pool, or recovery code")
    new = _new(call, new_password_file, new_password_command, weak_passphrase, "key add")
    with call.pool() as pool:
        added = pool.add_passphrase(secret, new, label=label, weak=weak_passphrase)
    call.summary(
        lambda: summary("key add", **pages_keys.slot(added)),
        lambda screen: screen.line(f"Passphrase {added.id} opens the pool, too."),
    )


def passwd(
    call: Invocation,
    slot: Annotated[str, typer.Option(metavar="ID", help="Which one, if not the one you give.")] = "",
    new_password_file: NEW_FILE = "", new_password_command: NEW_COMMAND = "", weak_passphrase: WEAK = False,
) -> None:  # fmt: skip
    """Change the passphrase.

    The new one is on the disks before the old one goes. Disks that are away learn of it when they are back. If
    somebody may have seen the old one, 'webraid key rotate' is what you want: a copy of an old key slot can be opened
    with it for ever.

    \b
    Examples:
      webraid key passwd
      webraid key passwd -p old.txt --new-password-file new.txt
    """
    secret = passphrase.needed(call, "Passphrase that is to change")
    new = _new(call, new_password_file, new_password_command, weak_passphrase, "key passwd")
    with call.pool() as pool:
        added = pool.change_passphrase(secret, new, slot=slot, weak=weak_passphrase)
    call.summary(
        lambda: summary("key passwd", **pages_keys.slot(added)),
        lambda screen: screen.line("The passphrase is changed; the old one opens nothing any more."),
    )


def rm(call: Invocation, id: SLOT, dry_run: DRY = False) -> None:
    """Remove a passphrase or recovery code.

    You are asked for one that stays. The last one cannot be removed.

    \b
    Example:
      webraid key rm 3fa2
    """
    with call.pool() as pool:
        if dry_run:
            gone = pages_keys.the_slot(pool.key_slots(), id)
        else:
            gone = pool.remove_key(passphrase.needed(call, "Passphrase or recovery code that stays"), id)
    word = "would be removed" if dry_run else "is removed: it opens nothing any more"
    call.summary(
        lambda: summary("key rm", **pages_keys.slot(gone), dry_run=dry_run),
        lambda screen: screen.line(f"{gone.kind[:1].upper()}{gone.kind[1:]} {gone.id} {word}."),
    )


def kit(
    call: Invocation,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Text, or with .html a page to print.", show_default=False)
    ] = None,
    revoke_old: Annotated[
        bool, typer.Option("--revoke-old", help="Kits made before open nothing any more.")
    ] = False,
    new_code: Annotated[
        bool, typer.Option("--new-code", help="A kit always gets a new code; this may be left away.", hidden=True)
    ] = False,
) -> None:  # fmt: skip
    """Make a recovery kit.

    A page for your safe: a recovery code, where the disks are, and what to do. The code of an older kit is written
    down nowhere, so every kit gets one of its own; the older ones go on working unless you say --revoke-old.

    \b
    Examples:
      webraid key kit kit.html
      webraid key kit --revoke-old kit.txt
    """
    from webraid.jobs.access.kit import refuse_existing

    if file is not None:
        refuse_existing(file)
    secret = passphrase.needed(call, "Passphrase of the pool, or recovery code")
    with call.pool() as pool:
        made = pool.new_kit(secret, revoke_old=revoke_old)
    _hand_over(call, made, file, "key kit", revoked_old=revoke_old)


def _hand_over(call: Invocation, made: Kit, file: Path | None, command: str, **more: object) -> None:
    """Into the file, or onto the screen: a code that nobody has seen is no code."""
    if file is not None:
        try:
            made.write(file)
        except OSError as error:
            raise ConfigError(
                f"the change is made, but {file} cannot be written: {error.strerror}",
                hint="Nobody has its recovery code. Make another kit: webraid key kit FILE --revoke-old",
            ) from None
    tell = call.summary if file else call.show
    tell(
        lambda: summary(command, kit=str(file) if file else None,
                        recovery_code=None if file else made.recovery_code, **more),
        lambda screen: pages_keys.kit(screen, made, file),
    )  # fmt: skip


def rotate(
    call: Invocation, kit: KIT = None, new_password_file: NEW_FILE = "", new_password_command: NEW_COMMAND = "",
    keep_passphrase: Annotated[
        bool, typer.Option("--keep-passphrase", help="Keep the passphrase that you give.")
    ] = False,
    weak_passphrase: WEAK = False, dry_run: DRY = False,
) -> None:  # fmt: skip
    """Change the keys.

    What is stored from now on is sealed under keys that nobody had before: no old copy of a key slot, and no machine
    that was removed, can read it. What is stored already stays as it is and stays readable to you. All passphrases
    and recovery codes there were open nothing any more: there is one passphrase from now on, and a new kit.

    \b
    Examples:
      webraid key rotate --kit kit.html
      webraid key rotate -p pw.txt --keep-passphrase --kit kit.html
    """
    if dry_run:
        _dry(call, "key rotate")
        return
    _refuse_kit(kit)
    secret = passphrase.needed(call, "Passphrase of the pool, or recovery code")
    new = _changed(call, new_password_file, new_password_command, weak_passphrase, keep_passphrase, "key rotate")
    with call.pool() as pool, call.job("key rotate"):
        done = pool.rotate_keys(secret, new, weak=weak_passphrase)
    if not call.flags.json and not call.flags.quiet:
        pages_keys.rotated(call.screen, done)
    _hand_over(call, done.kit, kit, "key rotate", epoch=done.epoch, devices=list(done.devices), dropped=done.dropped)


def revoke(
    call: Invocation,
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its name, or its id.", show_default=False)],
    kit: KIT = None, new_password_file: NEW_FILE = "", new_password_command: NEW_COMMAND = "",
    keep_passphrase: Annotated[
        bool, typer.Option("--keep-passphrase", help="Keep the passphrase that you give.")
    ] = False,
    weak_passphrase: WEAK = False, dry_run: DRY = False,
) -> None:  # fmt: skip
    """A machine was lost or stolen.

    It is removed ('webraid device rm'), the keys are changed ('webraid key rotate'), and you get the list of logins
    that it may still have.

    \b
    Examples:
      webraid key revoke laptop --kit kit.html
      webraid key revoke laptop --dry-run
    """
    if dry_run:
        _dry(call, "key revoke", device)
        return
    _refuse_kit(kit)
    secret = passphrase.needed(call, "Passphrase of the pool, or recovery code")
    new = _changed(call, new_password_file, new_password_command, weak_passphrase, keep_passphrase, "key revoke")
    with call.pool() as pool, call.job("key revoke"):
        done = pool.revoke_device(secret, device, new, weak=weak_passphrase)
    if not call.flags.json and not call.flags.quiet:
        pages_keys.revoked(call.screen, done)
    _hand_over(
        call, done.rotated.kit, kit, "key revoke", device=dataclasses.asdict(done.removed), epoch=done.rotated.epoch,
        devices=list(done.rotated.devices), tokens=[dataclasses.asdict(token) for token in done.tokens],
    )  # fmt: skip


def export(call: Invocation, file: FILE) -> None:
    """Write an emergency file.

    All key slots and the whole signed log, sealed as they are on the disks: with the passphrase or a recovery code it
    leads to all disks, even if none of them had its log any more. It does not hold your data. Make a new one after
    disks came or went.

    \b
    Example:
      webraid key export pool.keys
    """
    with call.pool() as pool, call.hush(people=False):
        size = pool.export_keys(file)
    call.summary(
        lambda: summary("key export", file=str(file), size=size),
        lambda screen: pages_keys.exported(screen, file, size),
    )


def import_(call: Invocation, file: FILE) -> int:
    """Use an emergency file.

    On an empty machine it brings the pool back, as 'webraid recover' does from a disk. Where the pool is, key slots
    and log records are put to where they are missing.

    \b
    Example:
      webraid key import pool.keys
    """
    from webraid.pool import recover_keys
    from webraid.table.device import has_identity

    if has_identity(call.places.device):
        with call.pool() as pool:
            new = pool.import_keys(file)
        call.summary(
            lambda: summary("key import", file=str(file), records_new=new),
            lambda screen: screen.line(f"{new} records were new; key slots and log are on all disks that answer."),
        )
        return EXIT_OK
    secret = passphrase.needed(call, "Passphrase or recovery code")
    with call.job("key import"):
        result, opened = recover_keys(call.settings, file, secret=secret)
        opened.close()
    code = EXIT_ALARM if result.alarms else EXIT_OK
    call.summary(
        lambda: summary("key import", **dataclasses.asdict(result), exit_code=code),
        lambda screen: pages_keys.recovered(screen, result),
    )
    return code


def suggest(call: Invocation) -> None:
    """Make up a strong passphrase.

    Seven words drawn from 2048: 77 bits. It is printed and kept nowhere.

    \b
    Example:
      webraid key passphrase
    """
    from webraid.codec.keys import new_passphrase

    made = new_passphrase(call.env)
    call.show(lambda: summary("key passphrase", passphrase=made), lambda screen: screen.lines([made]))


# --------------------------------------------------------------------------------------------------------------- parts
def _new(call: Invocation, file: str, command: str, weak: bool, name: str) -> str:
    return passphrase.another(call, file=file, command=command, weak=weak, again=f"Run 'webraid {name}' again.")


def _changed(call: Invocation, file: str, command: str, weak: bool, keep: bool, name: str) -> str:
    """The passphrase from now on, '': it stays."""
    if keep or (not call.interactive and not file and not command):
        return ""
    return _new(call, file, command, weak, name)


def _refuse_kit(file: Path | None) -> None:
    from webraid.jobs.access.kit import refuse_existing

    if file is not None:
        refuse_existing(file)


def _dry(call: Invocation, name: str, device: str = "") -> None:
    with call.pool() as pool, call.hush(people=False):
        machines, keys = pool.devices(), pool.key_slots()
    gone = pages_keys.the_device(machines, device) if device else None
    stay = [item.name for item in machines if not item.evicted and item is not gone]
    call.summary(
        lambda: summary(name, dry_run=True, devices=stay, dropped=len(keys), device=gone.name if gone else None),
        lambda screen: pages_keys.would_rotate(screen, gone, stay, len(keys)),
    )
