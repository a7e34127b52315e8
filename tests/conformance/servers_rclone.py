"""Servers for rclone to talk to, and disks on them: WsgiDAV, moto, 'rclone serve webdav' and 'rclone serve s3'."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.conformance import servers
from tests.conformance.servers import Server, first_line, rclone_binary, started
from tests.programs import program

DEBIAN = Path("/usr/bin/rclone")
BUCKET = "conformance"

# Ends with us: its standard input closes however we end.
_WSGIDAV = """
import logging, sys, threading
from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp
logging.disable()
folder, user, password = sys.argv[1:]
app = WsgiDAVApp({
    "provider_mapping": {"/": folder}, "verbose": 0, "logging": {"enable": False},
    "http_authenticator": {"domain_controller": None, "accept_basic": True, "accept_digest": False,
                           "default_to_digest": False},
    "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
    "property_manager": True, "lock_storage": True,
})
server = Server(("127.0.0.1", 0), app, numthreads=16)
server.prepare()
print(server.bind_addr[1], flush=True)
threading.Thread(target=server.serve, daemon=True).start()
sys.stdin.read()
"""


@contextlib.contextmanager
def wsgidav(folder: Path) -> Iterator[Server]:
    """WsgiDAV over a folder; wants the user and password that it gives as access_key and secret_key."""
    folder.mkdir(exist_ok=True)
    wanted = Server(0, "conformance-user", "sEcReT-of-the-dav")
    command = [sys.executable, "-c", _WSGIDAV, str(folder), wanted.access_key, wanted.secret_key]
    with started(command) as process:
        yield Server(int(first_line(process)), wanted.access_key, wanted.secret_key)


@contextlib.contextmanager
def rclone_dav(folder: Path) -> Iterator[Server]:
    """rclone serve webdav."""
    folder.mkdir(exist_ok=True)
    wanted = Server(0, "conformance-user", "sEcReT-of-the-dav")
    command = [rclone_binary(), "serve", "webdav", "--addr", "127.0.0.1:0", "--config", ""]
    command += ["--user", wanted.access_key, "--pass", wanted.secret_key, str(folder)]
    with started(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)", line) for line in process.stderr)), None)
        assert found, "rclone ended before it listened"
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield Server(int(found[1]), wanted.access_key, wanted.secret_key)


def dav_section(server: Server) -> str:
    """The secret of a disk there."""
    return json.dumps(
        {"type": "webdav", "vendor": "other", "url": server.endpoint, "user": server.access_key,
         "pass": obscured(server.secret_key)}
    )  # fmt: skip


def s3_section(server: Server) -> str:
    return json.dumps(
        {"type": "s3", "provider": "Other", "endpoint": server.endpoint, "access_key_id": server.access_key,
         "secret_access_key": server.secret_key, "force_path_style": "true"}
    )  # fmt: skip


def sure_of_its_bucket(section: str) -> str:
    """So that a put is one request from the first one on: rclone does not look for the bucket before."""
    held = json.loads(section)
    return json.dumps(held | {"no_check_bucket": "true"}) if held["type"] == "s3" else section


def obscured(clear: str) -> str:
    """As rclone keeps passwords."""
    done = subprocess.run(
        [rclone_binary(), "obscure", "-", "--config", ""], input=clear, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def debian_rclone() -> str:
    """Debian's own, which is old."""
    program("rclone", DEBIAN)
    return str(DEBIAN)


def moto(folder: Path) -> contextlib.AbstractContextManager[Server]:
    return servers.moto()


def rclone_s3(folder: Path) -> contextlib.AbstractContextManager[Server]:
    folder.mkdir(exist_ok=True)
    return servers.rclone(folder)


def wiped(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def password_in(section: str) -> str:
    """What of a section must not be shown."""
    held: dict[str, str] = json.loads(section)
    return held.get("pass") or held["secret_access_key"]
