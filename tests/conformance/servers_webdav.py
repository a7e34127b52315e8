"""WebDAV servers the conformance suite runs against: each a process of its own on the loopback, ended by its handle."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.conformance.servers import FaultyFront, first_line, rclone_binary, started
from tests.programs import program

ROOT = Path(__file__).resolve().parents[2]
DAV_EXT = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")


@dataclass(frozen=True)
class DavServer:
    """Where it listens, and who may log in."""

    port: int
    user: str = "conformance"
    password: str = field(default="sEcReT-of_the.conformance-suite", repr=False)
    path: str = "/"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password as it is, and as it goes over the wire."""
        return self.password, b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def environment(self) -> dict[str, str]:
        """For a child that takes them from there: a command line can be read by everybody."""
        return os.environ | {"DAV_USER": self.user, "DAV_PASSWORD": self.password}


# Ends with us: its standard input closes however we end.
_WSGIDAV = """
import os, sys, threading
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
app = WsgiDAVApp({
    "provider_mapping": {"/": sys.argv[1]},
    "http_authenticator": {"accept_basic": sys.argv[2] == "basic", "accept_digest": sys.argv[2] == "digest",
                           "default_to_digest": sys.argv[2] == "digest"},
    "simple_dc": {"user_mapping": {"*": {os.environ["DAV_USER"]: {"password": os.environ["DAV_PASSWORD"]}}}},
    "verbose": 0,
})
server = wsgi.Server(("127.0.0.1", 0), app, numthreads=10)
server.prepare()
print(server.bind_addr[1], flush=True)
threading.Thread(target=server.serve, daemon=True).start()
sys.stdin.read()
"""


@contextmanager
def wsgidav(folder: Path, *, login: Literal["basic", "digest"] = "basic") -> Iterator[DavServer]:
    """wsgidav over a folder, with cheroot."""
    wanted = DavServer(0)
    command = [sys.executable, "-W", "ignore", "-c", _WSGIDAV, str(folder), login]
    with started(command, env=wanted.environment) as process:  # type: ignore[arg-type]
        yield DavServer(int(first_line(process)))


@contextmanager
def rclone(folder: Path) -> Iterator[DavServer]:
    """rclone serve webdav: Go's own WebDAV over rclone's cached view of a folder."""
    wanted = DavServer(0)
    command = [rclone_binary(), "serve", "webdav", "--addr", "127.0.0.1:0", "--config", "", str(folder)]
    login = os.environ | {"RCLONE_USER": wanted.user, "RCLONE_PASS": wanted.password}
    with started(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=login) as process:  # type: ignore[arg-type]
        assert process.stderr
        for line in process.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise AssertionError("rclone ended before it listened")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield DavServer(int(found[1]))


# One process, so that nothing is left when it is killed.
_NGINX = """
load_module {module};
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size {limit};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        auth_basic disk;
        auth_basic_user_file {folder}/users;
        location / {{
            root {folder}/files;
            dav_methods PUT DELETE MKCOL COPY MOVE;
            dav_ext_methods PROPFIND OPTIONS;
            dav_access user:rw;
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, *, limit: str = "0") -> Iterator[DavServer]:
    """nginx with Debian's dav-ext.  ``limit``: the largest body it takes; '0': any."""
    binary = program("nginx", DAV_EXT)
    (folder / "files").mkdir()
    for _ in range(5):
        made = DavServer(_free_port())
        text = _NGINX.format(module=DAV_EXT, folder=folder, limit=limit, port=made.port)
        (folder / "nginx.conf").write_text(text)
        (folder / "users").write_text(f"{made.user}:{{PLAIN}}{made.password}\n")
        with started([binary, "-p", str(folder), "-c", str(folder / "nginx.conf")]) as process:
            if _listens(made.port, process):
                yield made
                return
    raise AssertionError("nginx finds no port")


def _free_port() -> int:
    """It takes no port 0; that another one is quicker is seen when it ends at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _listens(port: int, process: subprocess.Popen[str]) -> bool:
    while process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=30):
            return process.poll() is None
        time.sleep(0.01)
    return False


# faultproxy.py in front of WebDAV.  A put is several requests here: the answer that is lost is the one to its last.
_FRONT = """
import threading
from tests.conformance import faultproxy

LOGIN = {"WWW-Authenticate": 'Basic realm="disk"'}
for fault in ("expired", "expired_once"):
    faultproxy.REFUSALS[fault] = (401, "NotAuthenticated", LOGIN)

class State(faultproxy.State):
    method = threading.local()

    def take(self):
        fault = super().take()
        return "none" if fault == "lost" and self.method.name not in ("MOVE", "DELETE", "GET") else fault

class Proxy(faultproxy.Proxy):
    def answer(self):
        self.state.method.name = self.command
        super().answer()

    do_GET = do_PUT = do_DELETE = do_OPTIONS = do_PROPFIND = do_MKCOL = do_MOVE = answer

faultproxy.State, faultproxy.Proxy = State, Proxy
faultproxy.main()
"""


@contextmanager
def dav_front(upstream: DavServer) -> Iterator[FaultyFront]:
    """A proxy that does to requests what it is told (see faultproxy.py)."""
    command = [sys.executable, "-c", _FRONT, str(upstream.port)]
    with started(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:  # type: ignore[arg-type]
        yield FaultyFront(int(first_line(process)), process)
