"""Writes requirements/run.txt and dev.txt: the full closure of what pyproject.toml asks for, as this venv has it.

    make pins

Update .venv with pip first, run the tests, then pin.  A closure must hold on every Python and machine we support, so
markers are evaluated for all of them, and what any of them needs must be installed here.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
SELF = "webraid"
HEAD = "# {what}\n# Written by 'make pins' from the versions in .venv; do not edit.\n"


def environments() -> list[dict[str, str]]:
    """The marker environments a pin must hold in."""
    return [
        {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
        for python, machine in product(PYTHONS, MACHINES)
    ]


def wanted(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether ``requirement`` holds in any supported environment for a package taken with ``extras``."""
    marker = requirement.marker
    if marker is None:
        return True
    return any(marker.evaluate({**env, "extra": extra}) for env in environments() for extra in extras | {""})


def closure(roots: list[Requirement], own: dict[str, list[str]]) -> dict[str, str]:
    """Name -> version of all that ``roots`` need.  ``own``: this project's extras.  Raises SystemExit."""
    pins: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = list(roots)
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name == SELF:
            queue += [Requirement(line) for extra in extras for line in own[extra]]
            continue
        found = installed(requirement)
        pins[name] = found.version
        needs = [Requirement(line) for line in found.requires or ()]
        queue += [need for need in needs if wanted(need, extras)]
    return pins


def installed(requirement: Requirement) -> Distribution:
    """The distribution that satisfies ``requirement`` on every supported Python.  Raises SystemExit."""
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError:
        raise SystemExit(f"{requirement} is needed and not in .venv: install it, then 'make pins' again") from None
    if not requirement.specifier.contains(found.version, prereleases=True):
        raise SystemExit(f"{requirement} is asked for, .venv has {found.version}")
    supports = SpecifierSet((found.metadata.get_all("Requires-Python") or [""])[0])
    unsupported = [python for python in PYTHONS if not supports.contains(f"{python}.0")]
    if unsupported:
        raise SystemExit(f"{requirement.name} {found.version} does not run on Python {', '.join(unsupported)}")
    return found


def main() -> None:
    """Write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    shipped = sorted(extras.keys() & project["entry-points"]["webraid.backends"].keys())
    run = [*project["dependencies"], f"{SELF}[{','.join(shipped)}]"]
    for file, what, lines in (
        ("run.txt", "What webraid and its plug-ins run with.", run),
        ("dev.txt", "What webraid runs with, its tests and its linters.", [*run, f"{SELF}[dev]"]),
    ):
        pins = closure([Requirement(line) for line in lines], extras)
        body = "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))
        (ROOT / "requirements" / file).write_text(HEAD.format(what=what) + body)
        sys.stdout.write(f"requirements/{file}: {len(pins)} pins\n")


if __name__ == "__main__":
    main()
