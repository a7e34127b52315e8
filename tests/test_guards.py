"""Every guard is seen to fail: each rule is broken on purpose in a copy of the tree, and the tool must name it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("webraid", "backends")
BIN = Path(sys.executable).parent
DOWNWARD = "Imports go only downward"
WORTHLESS_NAME = re.compile(r"(^|_)(utils?|helpers?|managers?|handlers?|misc|common)(_|$)")

# file, new in the copy -> code, the rule that must name it, the name that the message must hold
STYLE = {
    "webraid/codec/broken_rich.py": ("import rich", "TID251", "`rich`"),
    "webraid/array/broken_typer.py": ("import typer", "TID251", "`typer`"),
    "webraid/array/broken_zfec.py": ("import zfec", "TID251", "`zfec`"),
    "webraid/array/broken_numpy.py": ("import numpy", "TID251", "`numpy`"),
    "webraid/files/broken_ctypes.py": ("import ctypes", "TID251", "`ctypes`"),
    "webraid/table/broken_key.py": ("from cryptography.hazmat.primitives import hashes", "TID251", "`cryptography`"),
    "webraid/array/broken_sqlite.py": ("import sqlite3", "TID251", "`sqlite3`"),
    "webraid/backend/broken_boto.py": ("import boto3", "TID251", "`boto3`"),
    "webraid/table/broken_boto.py": ("from botocore.exceptions import ClientError", "TID251", "`botocore`"),
    "webraid/jobs/broken_process.py": ("import subprocess", "TID251", "`subprocess`"),
    "webraid/backend/broken_async.py": ("import asyncio", "TID251", "`asyncio`"),
    "webraid/table/broken_pickle.py": ("import pickle", "TID251", "`pickle`"),
    "webraid/array/broken_time.py": ("import time\n\nNOW = time.time()", "TID251", "`time.time`"),
    "webraid/array/broken_alias.py": ("from time import time as now\n\nNOW = now()", "TID251", "`time.time`"),
    "webraid/jobs/broken_sleep.py": ("import time\n\ntime.sleep(1)", "TID251", "`time.sleep`"),
    "webraid/jobs/broken_clock.py": ("import time\n\nNOW = time.monotonic()", "TID251", "`time.monotonic`"),
    "webraid/table/broken_date.py": (
        "import datetime\n\nNOW = datetime.datetime.now(datetime.UTC)",
        "TID251",
        "`datetime.datetime.now`",
    ),
    "webraid/codec/broken_urandom.py": ("import os\n\nKEY = os.urandom(32)", "TID251", "`os.urandom`"),
    "webraid/array/broken_random.py": ("import random", "TID251", "`random`"),
    "webraid/codec/broken_secrets.py": ("import secrets", "TID251", "`secrets`"),
    "webraid/jobs/broken_print.py": ('print("done")', "T201", "`print`"),
    "webraid/files/broken_except.py": (
        "import os\n\ntry:\n    os.getpid()\nexcept Exception as error:\n    del error",
        "BLE001",
        "`Exception`",
    ),
    "webraid/table/broken_silence.py": (
        "import os\n\ntry:\n    os.getpid()\nexcept Exception:\n    pass",
        "S110",
        "`pass`",
    ),
    "webraid/jobs/broken_promise.py": ("# " + "TO" + "DO: later", "FIX002", "TO" + "DO"),
    "webraid/files/broken_relative.py": ("from . import scan", "TID252", "elative import"),
}

# file, new in the copy -> its import, the contract that must name it
LAYERS = {
    "webraid/codec/broken_upward.py": ("webraid.cli", DOWNWARD),
    "webraid/codec/broken_sibling.py": ("webraid.backend.base", DOWNWARD),
    "webraid/array/broken_sibling.py": ("webraid.table", DOWNWARD),
    "webraid/jobs/standing/broken_facade.py": ("webraid.pool", DOWNWARD),
    "webraid/jobs/base/broken_upward.py": ("webraid.jobs.runs.run", "Jobs use only the rooms below theirs"),
    "webraid/jobs/moves/broken_sibling.py": ("webraid.jobs.storing.put", "Jobs use only the rooms below theirs"),
    "webraid/jobs/base/broken_core.py": ("webraid_s3", "The core never imports a plug-in"),
    "backends/webraid_local/broken_other.py": ("webraid_s3", "Plug-ins do not know each other"),
    "backends/webraid_s3/broken_codec.py": ("webraid.codec", "A plug-in sees only backend, model, errors and env"),
    "backends/webraid_s3/broken_config.py": ("webraid.config", "A plug-in sees only backend, model, errors and env"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the shipped code and its rules."""
    for name in CODE:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def write(tree: Path, file: str, code: str) -> None:
    (tree / file).write_text(f'"""Breaks a rule on purpose."""\n\n{code}\n')


def ruff(tree: Path, *flags: str) -> list[tuple[str, str, str]]:
    """(file, rule, message) of all that ruff finds."""
    command = [str(BIN / "ruff"), "check", "--no-cache", "--output-format=json", *flags, *CODE]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    rows = json.loads(done.stdout)
    return [(Path(row["filename"]).relative_to(tree).as_posix(), row["code"], row["message"]) for row in rows]


def contracts(tree: Path) -> tuple[int, str]:
    """Exit code and report of import-linter."""
    path = os.pathsep.join((str(tree), str(tree / "backends")))
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def behind_foreign_doors(tree: Path) -> list[tuple[str, str]]:
    """(file, message) of banned names used where the ban's own 'only in' does not allow it, whatever ruff ignores."""
    config = "lint.per-file-ignores = {}"
    found = ruff(tree, "--select=TID251", "--ignore-noqa", "--config", config)
    allowed = [(file, message, message.partition("only in ")[2].split(", ")) for file, _, message in found]
    return [(file, message) for file, message, doors in allowed if not any(fnmatch(file, door) for door in doors)]


def long_files(tree: Path) -> list[str]:
    paths = [path for name in CODE for path in (tree / name).rglob("*.py")]
    return [path.relative_to(tree).as_posix() for path in paths if len(path.read_text().splitlines()) > 400]


def worthless_names(tree: Path) -> list[str]:
    return [path.name for name in CODE for path in (tree / name).rglob("*.py") if WORTHLESS_NAME.search(path.stem)]


# ------------------------------------------------------------------------------------------------------------- style
def test_ruff_names_every_broken_rule(tree: Path) -> None:
    for file, (code, _, _) in STYLE.items():
        write(tree, file, code)
    (tree / "webraid/table/broken_docstring.py").write_text("SIZE = 1\n")
    found = ruff(tree)
    missed = [
        (file, rule)
        for file, (_, rule, name) in STYLE.items()
        if not any(row[:2] == (file, rule) and name in row[2] for row in found)
    ]
    assert not missed
    assert ("webraid/table/broken_docstring.py", "D100") in {row[:2] for row in found}


def test_a_door_opens_to_its_own_library_only(tree: Path) -> None:
    assert behind_foreign_doors(tree) == []
    write(tree, "backends/webraid_local/broken.py", "import boto3")
    write(tree, "webraid/codec/parity_broken.py", "import rich")
    write(tree, "webraid/jobs/broken.py", "import time\n\nNOW = time.time()  # noqa: TID251")
    assert [file for file, _ in behind_foreign_doors(tree)] == [
        "backends/webraid_local/broken.py",
        "webraid/codec/parity_broken.py",
        "webraid/jobs/broken.py",
    ]


def test_mypy_names_what_is_not_typed(tree: Path) -> None:
    write(tree, "webraid/broken.py", "def double(x):\n    return 2 * x")
    command = [str(BIN / "mypy"), "--cache-dir", str(tree / "cache"), "webraid/broken.py"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "webraid/broken.py:3: error: Function is missing a type annotation" in done.stdout


# ------------------------------------------------------------------------------------------------------------ layers
def test_import_linter_names_every_broken_contract(tree: Path) -> None:
    for file, (module, _) in LAYERS.items():
        write(tree, file, f"import {module}")
    code, report = contracts(tree)
    assert code == 1
    for file, (module, contract) in LAYERS.items():
        importer = file.removeprefix("backends/").removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {module} (l.3)" in report
        assert f"{contract} BROKEN" in report


def test_import_linter_names_a_module_without_a_layer(tree: Path) -> None:
    write(tree, "webraid/stray.py", "SIZE = 1")
    code, report = contracts(tree)
    assert code == 1
    assert "webraid.stray" in report


# -------------------------------------------------------------------------------------------------------------- size
def test_no_file_is_longer_than_400_lines(tree: Path) -> None:
    assert long_files(tree) == []
    write(tree, "webraid/broken.py", "\n" * 400)
    assert long_files(tree) == ["webraid/broken.py"]


def test_modules_are_named_by_what_they_are_about(tree: Path) -> None:
    assert worthless_names(tree) == []
    write(tree, "webraid/codec/seal_utils.py", "SIZE = 1")
    assert worthless_names(tree) == ["seal_utils.py"]
