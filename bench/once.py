"""One job through the Python API, in a process of its own: python -m bench.once JOB ARGUMENT ...

Prints one JSON line: ``seconds`` of the job (opening the pool included, the interpreter's start and imports not),
``first``: seconds until a get had its first content, and what came of it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import time
from typing import Any

from webraid.jobs.base.events import Progress
from webraid.pool import Pool, open_pool

# Imported before the clock starts: a program that uses the API has done that long ago.
BEFORE = (
    "boto3", "webraid_s3.backend",
    "webraid.jobs.restoring.cat", "webraid.jobs.restoring.get", "webraid.jobs.storing.put",
)  # fmt: skip


class First:
    """Notes when the first content was there."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.seconds: float | None = None

    def __call__(self, event: object) -> None:
        if self.seconds is None and isinstance(event, Progress) and event.bytes:
            self.seconds = time.monotonic() - self.began


def put(pool: Pool, path: str) -> dict[str, Any]:
    """Store a folder."""
    done = pool.put([path])
    return {"code": done.exit_code, "survives": done.survives, "promised": done.promised}


def get(pool: Pool, to: str) -> dict[str, Any]:
    """Restore the latest snapshot."""
    return {"code": pool.get("latest", to=to).exit_code}


def cat(pool: Pool, what: str) -> dict[str, Any]:
    """Read one file of a snapshot."""
    digest = hashlib.sha256()
    for piece in pool.cat(what):
        digest.update(piece)
    return {"code": 0, "sha256": digest.hexdigest()}


def main(job: str, argument: str) -> int:
    """Do the job and tell."""
    for module in BEFORE:
        importlib.import_module(module)
    began = time.monotonic()
    first = First(began)
    with open_pool(on_event=first) as pool:
        told = {"put": put, "get": get, "cat": cat}[job](pool, argument)
    print(json.dumps({"seconds": time.monotonic() - began, "first": first.seconds if job == "get" else None, **told}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
