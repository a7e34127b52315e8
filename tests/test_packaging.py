"""What is in the tree is what is shipped, registered and layered, and the metadata tells the truth."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, files, packages_distributions, version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import webraid
from webraid.backend import registry

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
REGISTERED: dict[str, str] = PROJECT["project"]["entry-points"]["webraid.backends"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
SEES = {"backend", "model", "errors", "env"}  # what a plug-in may know of webraid


def modules(folder: Path) -> set[str]:
    """Names of the packages and modules directly in ``folder``."""
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return packages | {path.stem for path in folder.glob("*.py")} - {"__init__"}


def layers() -> set[str]:
    return {name.strip() for layer in CONTRACTS["layers"]["layers"] for name in layer.split("|")}


def imported(folder: Path) -> set[str]:
    """Normalized names of the distributions that code in ``folder`` imports; the project's own are left out."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    foreign = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}
    return {home(name) for name in foreign if not name.startswith("webraid")}


def home(name: str) -> str:
    """The distribution that brings a module; of several that share a top-level package, the one that has its part."""
    top, _, rest = name.partition(".")
    found = packages_distributions()[top]
    part = f"{top}/{rest.partition('.')[0]}"
    having = [
        one for one in found if any(str(file).startswith((f"{part}/", f"{part}.py")) for file in files(one) or ())
    ]
    return canonicalize_name((having or found)[0])


def is_program(requirement: str) -> bool:
    """Whether a distribution brings a program and nothing to import."""
    return not any(str(file).endswith(".py") for file in files(Requirement(requirement).name) or ())


def declared(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def pins(file: str) -> dict[str, str]:
    lines = [line for line in (ROOT / "requirements" / file).read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


# ---------------------------------------------------------------------------------------------------------- plug-ins
def test_folders_are_what_is_shipped_registered_and_layered() -> None:
    folders = modules(ROOT / "backends")
    shipped = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(shipped) == {"webraid"} | {f"backends/{name}" for name in folders}
    assert {target.partition(":")[0] for target in REGISTERED.values()} == folders
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == {"webraid"} | folders
    assert set(CONTRACTS["core"]["forbidden_modules"]) == folders
    assert set(CONTRACTS["plugins"]["modules"]) == folders
    assert set(CONTRACTS["interface"]["source_modules"]) == folders


def test_a_plugin_folder_that_nobody_registered_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "webraid_stray").mkdir()
    (tmp_path / "webraid_stray" / "__init__.py").touch()
    assert modules(tmp_path) == {"webraid_stray"}


def test_every_module_of_the_core_has_its_layer() -> None:
    assert modules(ROOT / "webraid") == layers()
    assert CONTRACTS["layers"]["exhaustive"] is True


def test_what_plugins_may_not_see_is_everything_else() -> None:
    assert set(CONTRACTS["interface"]["forbidden_modules"]) == {f"webraid.{name}" for name in layers() - SEES}


@pytest.mark.parametrize("kind", sorted(REGISTERED))
def test_an_entry_point_leads_to_the_plugin_of_that_kind(kind: str) -> None:
    module, _, name = REGISTERED[kind].partition(":")
    plugin = getattr(importlib.import_module(module), name)
    assert plugin.kind == kind
    assert plugin.summary
    assert not plugin.extra or plugin.extra in EXTRAS


def test_the_installed_entry_points_are_the_registered_ones() -> None:
    found = {point.name: point.value for point in entry_points(group="webraid.backends") if point.dist is not None}
    assert found.items() >= REGISTERED.items(), "not installed, or stale: pip install --no-deps -e ."


def test_our_own_plugins_are_found_without_a_search() -> None:
    assert registry.OWN == REGISTERED


def test_all_takes_every_extra_of_a_plugin() -> None:
    kinds = set(EXTRAS) - {"all", "dev"}
    assert EXTRAS["all"] == [f"webraid[{','.join(kind for kind in EXTRAS if kind in kinds)}]"]


# ---------------------------------------------------------------------------------------------------------- metadata
def test_what_the_core_imports_is_what_it_declares() -> None:
    optional = [line for extra in set(EXTRAS) - set(REGISTERED) - {"all", "dev"} for line in EXTRAS[extra]]
    assert imported(ROOT / "webraid") == declared(PROJECT["project"]["dependencies"] + optional)


@pytest.mark.parametrize("kind", sorted(REGISTERED))
def test_what_a_plugin_imports_is_what_its_extra_declares(kind: str) -> None:
    folder = ROOT / "backends" / REGISTERED[kind].partition(":")[0]
    assert imported(folder) == declared([line for line in EXTRAS.get(kind, []) if not is_program(line)])


def test_every_requirement_has_a_lower_and_an_upper_bound() -> None:
    lines = PROJECT["project"]["dependencies"] + [line for extra in EXTRAS.values() for line in extra]
    for requirement in map(Requirement, lines):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert requirement.name == "webraid" or operators == {">=", "<"}, requirement


@pytest.mark.parametrize("file", ["run.txt", "dev.txt"])
def test_pins_fit_the_bounds_and_name_no_host(file: str) -> None:
    names = list(pins(file))
    assert names == sorted(names)
    assert "/" not in (ROOT / "requirements" / file).read_text().partition("==")[2]
    lines = [*PROJECT["project"]["dependencies"], *(line for kind in REGISTERED for line in EXTRAS.get(kind, []))]
    for requirement in map(Requirement, lines + (EXTRAS["dev"] if file == "dev.txt" else [])):
        if requirement.name != "webraid":
            assert requirement.specifier.contains(pins(file)[canonicalize_name(requirement.name)]), requirement


def test_what_runs_is_tested_with_the_same_versions() -> None:
    assert pins("run.txt").items() <= pins("dev.txt").items()


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "webraid/__init__.py"
    assert "version" not in PROJECT["project"]
    assert version("webraid") == webraid.__version__, "not installed, or stale: pip install --no-deps -e ."
    literal = re.compile(rf"""["']{re.escape(webraid.__version__)}["']""")
    holders = [path for path in (ROOT / "webraid").rglob("*.py") if literal.search(path.read_text())]
    assert holders == [ROOT / "webraid" / "__init__.py"]


def test_the_packages_are_typed() -> None:
    for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / package / "py.typed").exists(), package


def test_a_wheel_holds_every_module_and_no_test(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        registered = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    code = {path.relative_to(ROOT / "backends") for path in (ROOT / "backends").rglob("*.py")}
    code |= {path.relative_to(ROOT) for path in (ROOT / "webraid").rglob("*.py")}
    tops = {name.partition("/")[0] for name in names}
    assert {path.as_posix() for path in code} == {name for name in names if name.endswith(".py")}
    assert "webraid/py.typed" in names
    assert tops == {"webraid", *modules(ROOT / "backends"), f"webraid-{webraid.__version__}.dist-info"}
    assert all(f"{kind} = {target}" in registered for kind, target in REGISTERED.items())
