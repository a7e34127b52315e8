"""npm's s3rver, a simple S3 server: fetched with npm into a folder of the test's own, ended by its handle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.servers import Server, first_line, started

VERSION = "3.7.1"
FETCH_TIMEOUT = 180.0  # seconds; it takes five

# The keys it takes are built in.  It ends with us: its standard input closes however we end.  What it forgets to catch
# (a file that went away while it listed) would end it, and hide what else it does.
_RUN = """
process.on('uncaughtException', () => {});
const S3rver = require('s3rver');
const server = new S3rver({address: '127.0.0.1', port: 0, silent: true, directory: process.argv[1]});
server.run().then((address) => console.log(address.port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
"""


@contextmanager
def s3rver(folder: Path) -> Iterator[Server]:
    """Takes ranges apart wrongly, shows half-written objects, and knows no page longer than it likes."""
    home, data = folder / "npm", folder / "data"
    data.mkdir()
    _fetch(home)
    with started([_binary("node"), "-e", _RUN, str(data)], cwd=home) as process:
        yield Server(int(first_line(process)), "S3RVER", "S3RVER")


def _fetch(home: Path) -> None:
    home.mkdir()
    command = [_binary("npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts", f"s3rver@{VERSION}"]
    command += ["--prefix", str(home), "--cache", str(home / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"npm could not fetch s3rver: {done.stderr[-500:]}"


def _binary(name: str) -> str:
    binary = shutil.which(name)
    assert binary, f"{name} is not there, and s3rver needs it: install Node.js 18 or newer"
    return binary
