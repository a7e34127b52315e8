"""docs/writing-a-backend.md and its example: what the page shows is the example's, and the example works.

The package is built and installed into a folder of its own, without the network, and run from there in processes of
their own against a real FTP server.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.servers import first_line, started
from tests.docs.pages import ROOT, blocks, table
from webraid.backend.base import Backend, Caps
from webraid.backend.conformance import CHECKS, PROMISES, Subject
from webraid.errors import BackendError

PAGE = (ROOT / "docs" / "writing-a-backend.md").read_text()
EXAMPLE = ROOT / "docs" / "examples" / "webraid_nas"
FENCED = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
USER, PASSWORD = "anna", "s3cret-of-the-nas"
PASSPHRASE = "acid bring copper dawn elbow frost glimpse"


# ----------------------------------------------------------------------------------------------------------- the page
@pytest.mark.parametrize(("language", "block"), FENCED, ids=lambda value: value.split("\n")[0])
def test_every_piece_of_code_is_from_the_example_or_runs(language: str, block: str) -> None:
    first, _, rest = block.partition("\n")
    if first.startswith("# "):
        file = EXAMPLE / first.removeprefix("# ")
        assert rest.rstrip() in file.read_text(), f"not in {file.name} word for word"
    else:
        assert language == "python"
        subprocess.run([sys.executable, "-W", "error", "-c", block], check=True, timeout=60)


def test_the_page_shows_every_part_of_the_example() -> None:
    shown = {block.partition("\n")[0].removeprefix("# ") for _, block in FENCED if block.startswith("# ")}
    files = {path.relative_to(EXAMPLE).as_posix() for path in EXAMPLE.rglob("*.py") if path.name != "__init__.py"}
    assert shown == files | {"pyproject.toml"}
    (drawn,) = (block for block in blocks(PAGE) if "the entry point\n" in block)
    assert {line.split()[0] for line in drawn.splitlines()[1:] if line.strip()} == shown


def test_the_promises_are_those_that_are_checked() -> None:
    text = PAGE.split("## The promises")[1].split("\n## ")[0]
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == len(PROMISES)
    stated = [line.strip() for line in (Backend.__doc__ or "").splitlines()]
    assert sum(bool(re.match(r"\d\. ", line)) for line in stated) == len(PROMISES)
    assert f"{len(CHECKS)} plain functions" in PAGE


def test_the_tables_are_those_of_the_code() -> None:
    def names(heading: str) -> set[str]:
        return {name for row in table(PAGE, heading) for name in re.findall(r"`(\w+)`", row[0])}

    assert names("## Caps") == {field.name for field in dataclasses.fields(Caps)}
    errors = names("## Errors")
    assert errors <= {cls.__name__ for cls in BackendError.__subclasses__()}
    assert {cls.__name__ for cls in BackendError.__subclasses__()} - errors == {"AlreadyExists", "VersionMismatch"}
    assert names("## The checks") < {field.name for field in dataclasses.fields(Subject)}


# -------------------------------------------------------------------------------------------------------- the package
@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed as the page says."""
    folder = tmp_path_factory.mktemp("nas")
    source, place = folder / "source", folder / "target"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))  # a build leaves nothing behind
    command = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--target", str(place), str(source)]
    subprocess.run([sys.executable, *command], check=True, timeout=120)
    return place


@dataclass(frozen=True)
class Nas:
    """A real FTP server with a folder."""

    port: int
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "NAS_HOST": "127.0.0.1", "NAS_PORT": str(self.port), "NAS_USER": USER, "NAS_PASSWORD": PASSWORD,
        }  # fmt: skip


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[Nas]:
    folder = tmp_path / "nas"
    folder.mkdir()
    script = Path(__file__).parent / "ftp_server.py"
    with started([sys.executable, str(script), str(folder), USER, PASSWORD]) as process:
        yield Nas(int(first_line(process)), folder)


def python(target: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A Python that sees the installed example."""
    env = {**os.environ, "PYTHONPATH": str(target), **environ}
    return subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=150, stdin=subprocess.DEVNULL
    )


def test_the_kind_is_found_by_its_entry_point(target: Path) -> None:
    code = (
        "import sys; from webraid.backend.registry import kinds, load, options_of\n"
        "assert 'nas' in kinds()\n"
        "assert 'webraid_nas' not in sys.modules\n"
        "assert load('nas').__module__ == 'webraid_nas.backend'\n"
        "assert [option.name for option in options_of(load('nas')) if option.secret] == ['password']\n"
    )
    run = python(target, "-c", code)
    assert run.returncode == 0, run.stderr
    assert "nas" not in subprocess.run(
        [sys.executable, "-c", "from webraid.backend.registry import kinds; print(kinds())"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_its_own_test_passes_all_checks(target: Path, nas: Nas) -> None:
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), "-o", "addopts=", "-W", "error"]
    run = python(target, "-m", "pytest", *options, str(EXAMPLE / "tests"), **nas.environ)
    assert run.returncode == 0, run.stdout
    assert f"{len(CHECKS)} passed" in run.stdout
    assert [path.name for path in nas.folder.rglob("~*")] == [], "nothing of a put is left"


def test_its_error_table_knows_all_that_ftplib_raises(target: Path) -> None:
    code = """
import ftplib, socket, ssl
from webraid.backend.base import map_error
from webraid.errors import AuthExpired, Misconfigured, PermissionDenied, ProtocolError, QuotaExceeded, Unavailable
from webraid_nas import NasBackend
SECRET = "anna s3cret nas.local"
classes = [cls for cls in vars(ftplib).values() if isinstance(cls, type) and issubclass(cls, Exception)]
assert len(classes) >= 5
for cls in [*classes, *ftplib.all_errors, ConnectionRefusedError, TimeoutError, socket.gaierror, ssl.SSLError]:
    found = map_error(NasBackend.ERRORS, cls(f"5xx {SECRET}"))
    assert found is not None and found.hint, cls
    assert SECRET not in f"{found!r} {found.hint}", cls
for text, wanted in {
    "421 gone": Unavailable, "426 broken": Unavailable, "452 full": QuotaExceeded, "552 full": QuotaExceeded,
    "530 who?": AuthExpired, "550 no": PermissionDenied, "500 what?": ProtocolError, "499 later": Unavailable,
}.items():
    found = map_error(NasBackend.ERRORS, ftplib.error_perm(text))
    assert type(found) is wanted and found.provider_code == text[:3], text
"""
    run = python(target, "-c", code)
    assert run.returncode == 0, run.stderr


def test_what_is_refused_is_not_taken_for_missing(target: Path, nas: Nas) -> None:
    """The disk's folder is gone, the password is wrong, nobody listens: never ObjectNotFound, never an empty list."""
    code = """
import os
from webraid.errors import AuthExpired, Misconfigured, Unavailable
from webraid_nas import NasBackend, NasOptions
place = dict(host="127.0.0.1", user=os.environ["NAS_USER"], folder="disk")
right = {"password": os.environ["NAS_PASSWORD"]}
port = int(os.environ["NAS_PORT"])
for options, secrets, wanted in (
    (NasOptions(**place, port=port), right, Misconfigured),
    (NasOptions(**place, port=port), {"password": "wrong"}, AuthExpired),
    (NasOptions(**place, port=9), right, Unavailable),
):
    backend = NasBackend.connect(options, secrets)
    for action in (lambda: backend.get("a/b"), lambda: backend.stat("a/b"), lambda: list(backend.list(""))):
        try:
            action()
        except wanted:
            continue
        raise SystemExit(f"no {wanted.__name__}")
    backend.close()
"""
    run = python(target, "-c", code, **nas.environ)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_dropped_connection_is_unavailable_once_and_opened_again(target: Path, nas: Nas) -> None:
    code = """
import os, socket
from webraid.backend.conformance.subject import put
from webraid.errors import Unavailable
from webraid_nas import NasBackend, NasOptions
options = NasOptions("127.0.0.1", os.environ["NAS_USER"], port=int(os.environ["NAS_PORT"]))
backend = NasBackend.connect(options, {"password": os.environ["NAS_PASSWORD"]})
backend.prepare()
put(backend, "a", b"1")
backend._line._ftp.sock.shutdown(socket.SHUT_RDWR)
try:
    backend.get("a")
except Unavailable:
    assert backend.get("a") == b"1"
else:
    raise SystemExit("a connection that is gone was used")
backend.close()
"""
    run = python(target, "-c", code, **nas.environ)
    assert run.returncode == 0, run.stdout + run.stderr


# ----------------------------------------------------------------------------------------------------------- in a pool
def test_it_is_a_disk_of_a_pool_by_the_commands_of_the_page(target: Path, nas: Nas, tmp_path: Path) -> None:
    environ = {
        **nas.environ, "WEBRAID_CONFIG": str(tmp_path / "config.toml"), "WEBRAID_STATE_DIR": str(tmp_path / "state"),
        "WEBRAID_PASSWORD": PASSPHRASE,
    }  # fmt: skip

    def webraid(*words: str) -> str:
        run = python(target, "-m", "webraid", *words, **environ)
        assert run.returncode == 0, f"{words}: {run.stdout}{run.stderr}"
        assert PASSWORD not in run.stdout + run.stderr
        return run.stdout

    webraid("init", "--name", "home", "--level", "raid1")
    webraid("add-backend", "local", "usb", "--path", str(tmp_path / "usb"))
    page = next(line for line in PAGE.splitlines() if "add-backend nas attic" in line)
    words = page.strip().replace("PORT", str(nas.port)).replace("USER", USER).split()[3:]
    words = ["NAS_PASSWORD" if word.startswith("NAS_") else word for word in words]
    assert "attic" in webraid(*words)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "letter").write_bytes(os.urandom(300_000))
    webraid("put", str(tmp_path / "tree"))
    shutil.rmtree(tmp_path / "usb")
    run = python(target, "-m", "webraid", "get", "--target", str(tmp_path / "out"), **environ)
    assert (tmp_path / "out" / "tree" / "letter").read_bytes() == (tmp_path / "tree" / "letter").read_bytes(), (
        run.stderr
    )
    assert "attic" in webraid("backend", "test", "attic")
    assert PASSWORD not in (tmp_path / "config.toml").read_text()
