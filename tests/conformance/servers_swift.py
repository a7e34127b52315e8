"""OpenStack Swift with its S3 API, from Debian: one node of four processes in a folder, on free ports of the loopback.

After Swift's own 'SAIO' (Swift All In One) guide, with one replica and one disk.  Objects' metadata lie in extended
attributes, so the folder must be on a file system that has them.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.servers import Server, started
from tests.programs import program

START_TIMEOUT = 60.0  # seconds
STORES = ("account", "container", "object")

_SWIFT_CONF = """[swift-hash]
swift_hash_path_suffix = conformance
swift_hash_path_prefix = webraid
[storage-policy:0]
name = one
default = yes
"""
_STORE_CONF = """[DEFAULT]
{common}
devices = {folder}/disks
mount_check = false
disable_fallocate = true
[pipeline:main]
pipeline = {store}-server
[app:{store}-server]
use = egg:swift#{store}
conn_timeout = 30
node_timeout = 60
"""
_PROXY_CONF = """[DEFAULT]
{common}
[pipeline:main]
pipeline = catch_errors cache s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# On a busy machine a node answers late; there is no other one to turn to.
conn_timeout = 30
node_timeout = 60
error_suppression_limit = 1000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{no_memcache}
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
"""


@contextmanager
def swift(folder: Path) -> Iterator[Server]:
    """An independent, real S3 server: strict about signatures and MD5s, refuses conditional puts."""
    program("swift-object-server")
    ports = _free_ports(*STORES, "proxy", "no_memcache")
    wanted = Server(ports["proxy"], "conformance:tester", "sEcReT-of-the-conformance-suite")
    _configure(folder, ports, wanted)
    with contextlib.ExitStack() as stack:
        for name in (*STORES, "proxy"):
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            command = [f"/usr/bin/swift-{name}-server", str(folder / f"{name}-server.conf"), "-v"]
            # Standard error is its log; the file says what happened where a test fails.
            process = stack.enter_context(started(command, stdout=log.fileno(), stderr=log.fileno()))
            _await(process, ports[name], folder / f"{name}.log")
        yield wanted


def _configure(folder: Path, ports: Mapping[str, int], wanted: Server) -> None:
    (folder / "disks" / "d1").mkdir(parents=True)
    (folder / "swift.conf").write_text(_SWIFT_CONF)
    account, _, user = wanted.access_key.partition(":")
    for name in (*STORES, "proxy"):
        common = f"swift_dir = {folder}\nbind_ip = 127.0.0.1\nbind_port = {ports[name]}\nworkers = 0\nuser = root"
        text = _PROXY_CONF if name == "proxy" else _STORE_CONF
        text = text.format(
            common=common, folder=folder, store=name, account=account, user=user, secret=wanted.secret_key,
            no_memcache=ports["no_memcache"],
        )  # fmt: skip
        (folder / f"{name}-server.conf").write_text(text)
    for store in STORES:
        ring = str(folder / f"{store}.builder")
        for step in (
            ["create", "4", "1", "0"],
            ["add", "--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port", str(ports[store]),
             "--device", "d1", "--weight", "1"],
            ["rebalance"],
        ):  # fmt: skip
            done = subprocess.run(["/usr/bin/swift-ring-builder", ring, *step], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr


def _free_ports(*names: str) -> dict[str, int]:
    """A port each that was free a moment ago: Swift takes none of its own choice, and its rings name them."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}


def _await(process: subprocess.Popen[str], port: int, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args} ended: {log.read_text()[-2000:]}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args} does not listen: {log.read_text()[-2000:]}")
