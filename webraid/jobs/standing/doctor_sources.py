"""The doctor looks at the config's sources: does one of them hold the pool's own disks, or this machine's own files?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from webraid.errors import WebRAIDError
from webraid.files.roots import Root
from webraid.files.select import Rules, Selector
from webraid.jobs.base.context import Context
from webraid.jobs.restoring.ours import own_disks
from webraid.jobs.standing.doctor_finding import Finding, good, note, warning
from webraid.jobs.storing.sources import roots_of_source, rules_of


def source_findings(ctx: Context) -> Iterator[Finding]:
    """All of them, source by source."""
    fine = []
    for source in ctx.config.sources:
        try:
            found = list(_inside(ctx, source.name, roots_of_source(ctx, source), rules_of(ctx, source)))
        except WebRAIDError as error:
            what = f"source {source.name}: {error}"
            found = [warning("sources", what, "it cannot be stored", error.hint, code=error.exit_code)]
        yield from found
        fine += [] if found else [source.name]
    if fine:
        yield good("sources", f"{', '.join(fine)}: without the pool's own disks and keys")


def _inside(ctx: Context, source: str, roots: list[Root], rules: Rules) -> Iterator[Finding]:
    def reached(place: Path) -> bool:
        return any(_stores(root, rules, os.fsencode(os.path.realpath(place))) for root in roots)

    for disk, folder in own_disks(ctx):
        if reached(folder):
            yield warning(
                "sources", f"source {source} holds the folder of disk {disk}, {folder}",
                "each put would store what the puts before it have stored: the pool grows by itself every night",
                f"Leave it out, in that [[source]]: exclude = [\"{folder}/\"]", disk=disk,
            )  # fmt: skip
    where = ctx.settings.places
    if reached(where.state):
        yield note(
            "sources", f"source {source} holds this machine's state folder, {where.state}",
            "it changes in every run and no restore puts it back: 'webraid recover' makes a new one",
            f"Leave it out, in that [[source]]: exclude = [\"{where.state}/\"]",
        )  # fmt: skip
    if reached(where.secrets):
        yield note(
            "sources", f"source {source} holds the logins of the disks, {where.secrets}",
            "whoever may see what is restored can read them; the pool has them anyway, sealed for 'webraid recover'",
            f"Leave it out, in that [[source]]: exclude = [\"{where.secrets}\"]",
        )  # fmt: skip
    if reached(where.config):
        yield good("sources", f"source {source} stores the config, too: it is at hand after a loss")


def _stores(root: Root, rules: Rules, place: bytes) -> bool:
    """Whether a put of ``root`` comes to ``place``, a real path.  What cannot be looked at is not there."""
    top = root.path.rstrip(b"/")
    if place != top and not place.startswith(top + b"/"):
        return False
    try:
        return _comes_to(root, rules, [part for part in place[len(top) :].split(b"/") if part])
    except OSError:
        return False


def _comes_to(root: Root, rules: Rules, parts: list[bytes]) -> bool:
    enter, path = partial(Selector(rules).enter, root), root.path
    device = os.stat(path).st_dev
    for name in parts:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            inside = enter(fd, [os.fsencode(other) for other in os.listdir(fd)])
        finally:
            os.close(fd)
        path = os.path.join(path, name)
        found = os.lstat(path)
        if inside.leaves_out(name, found) or (inside.only is not None and name not in inside.only):
            return False
        if rules.one_file_system and found.st_dev != device:
            return False
        enter = partial(inside.enter, name)
    return True
