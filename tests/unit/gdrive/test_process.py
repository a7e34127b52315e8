"""The fake as a process of its own: it says where it is, leaves the two files, and obeys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from webraid.backend.conformance.subject import put
from webraid.errors import QuotaExceeded, RateLimited
from webraid_gdrive import DriveBackend, DriveOptions

ROOT = Path(__file__).parents[3]


def test_the_fake_runs_alone_and_obeys(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fakes.drive", "--port", "0", "--write", str(tmp_path / "w"), "--attached"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as fake:
        assert fake.stdin and fake.stdout
        told = json.loads(fake.stdout.readline())

        def tell(line: str) -> str:
            assert fake.stdin and fake.stdout
            fake.stdin.write(f"{line}\n")
            fake.stdin.flush()
            return fake.stdout.readline().strip()

        files = {name: Path(told[f"{name}_file"]) for name in ("client_secret", "token")}
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in files.values())
        secrets = {name: path.read_text() for name, path in files.items()}
        disk = DriveBackend.connect(DriveOptions(endpoint=told["url"]), secrets)
        disk.prepare()
        put(disk, "log/a", b"1")
        assert tell("limited") == "ok"
        with pytest.raises(RateLimited):
            disk.get("log/a")
        assert tell("none") == "ok"
        assert [tell(line) for line in ("expire", "lag 60", "units 1000000", "quota 1")] == ["ok"] * 4
        with pytest.raises(QuotaExceeded):
            put(disk, "log/b", b"1")
        assert int(tell("requests")) > 5
        assert tell("no such word").startswith("error")
        assert disk.get("log/a") == b"1"
        disk.close()
        fake.stdin.close()
        assert fake.wait(10) == 0
