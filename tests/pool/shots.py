"""Snapshots of any age, machine and tag on a real pool: commits of a tree that is stored already."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.pool.machine import Home
from webraid.env import Env
from webraid.jobs.base.settings import Settings
from webraid.pool import Pool
from webraid.table.fold import Shot
from webraid.table.records import Close, Commit, Prepare, RootDir

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Dated(Home):
    """A machine whose clock stands still."""

    @property
    def settings(self) -> Settings:
        where = super().settings
        where.env = Env(now=NOW.timestamp)
        return where


def copy(model: Path, folder: Path) -> Dated:
    """A machine that was made once, with folders of its own."""
    shutil.copytree(model, folder, symlinks=True)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace(str(model), str(folder)))
    return Dated(folder)


def one_file(folder: Path) -> Path:
    """A folder that is stored quickly."""
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("a")
    return folder


def add(
    pool: Pool, *times: datetime, host: str = "home", origin: str = "/home/ann/photos", tags: tuple[str, ...] = (),
    partial: bool = False,
) -> list[Shot]:  # fmt: skip
    """Commit the newest snapshot's tree again, as if it had been stored then and there."""
    ctx = pool._ctx
    ctx.open_table()
    info = ctx.table.state.shots[-1].info
    made = []
    for time in times:
        run = ctx.env.random(16)
        snapshot = msgspec.structs.replace(
            info, time_ms=int(time.timestamp() * 1000), host=host, tags=tags, partial=partial,
            roots=(RootDir(name=info.roots[0].name, origin=origin.encode()),),
        )  # fmt: skip
        ctx.table.append(Prepare(run=run), Commit(run=run, snapshot=snapshot), Close(run=run))
        made += [shot for shot in ctx.table.state.shots if shot.id == run]
    return made
