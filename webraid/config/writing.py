"""Changing the config file, with everything else in it kept as it is, comments too.  Most runs only read it: tomlkit,
which takes three times as long to load as the config, is imported where something is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from webraid.config.places import write_private
from webraid.config.reading import MANNERS, VERSION
from webraid.config.sections import DiskSection, PoolSection


def create(path: Path, pool: PoolSection) -> None:
    """Write a new config file for ``pool``."""
    import tomlkit

    document = tomlkit.document()
    document.add("version", tomlkit.item(VERSION))
    document.add("pool", tomlkit.item({"name": pool.name, "id": pool.id, "level": pool.level}))
    write_private(path, "# WebRAID: every option is explained in config.example.toml\n" + tomlkit.dumps(document))


def put_disk(path: Path, disk: DiskSection) -> None:
    """Add (or replace) a [[disk]], keeping everything else in the file as it is, comments too."""
    import tomlkit

    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    disks = document.setdefault("disk", tomlkit.aot())
    table = tomlkit.table()
    values: dict[str, Any] = {"name": disk.name, "kind": disk.kind, "domain": disk.domain}
    if disk.capacity is not None:
        values["capacity"] = f"{disk.capacity}"
    if disk.reserve is not None:
        values["reserve"] = f"{disk.reserve}"
    if disk.threads is not None:
        values["threads"] = disk.threads
    old = [i for i, item in enumerate(disks) if item.get("name") == disk.name]
    kept = {key: item for i in old for key, item in disks[i].items() if key in ("reserve", *MANNERS)}
    for key, value in {**kept, **values, **disk.manners, **disk.options}.items():
        table.add(key, value)
    for i in reversed(old):
        del disks[i]
    disks.append(table)
    write_private(path, tomlkit.dumps(document))


def drop_disk(path: Path, name: str) -> None:
    """Remove the [[disk]] of that name."""
    import tomlkit

    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    disks = document.get("disk", [])
    for i in reversed([i for i, item in enumerate(disks) if item.get("name") == name]):
        del disks[i]
    if not len(disks):
        document.pop("disk", None)
    write_private(path, tomlkit.dumps(document))


def put_store(path: Path, store: str) -> None:
    """Set where secrets are kept."""
    import tomlkit

    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    section = document.get("secrets")
    if section is None:
        section = tomlkit.table()
        disks = document.pop("disk", None)  # sections of their own come before the list of disks
        document.add("secrets", section)
        if disks is not None:
            document.add("disk", disks)
    section["store"] = store
    write_private(path, tomlkit.dumps(document))
