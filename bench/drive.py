"""Uploads to Google Drive (the fake, a process of its own): through the plug-in, and with the SDK's own media body."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.process import BenchError, environment, run
from bench.report import OURS, Rows, Sample, say

PART = "drive"
SDK = "google's own body"
SIZE = 4 << 20
ROOT = Path(__file__).resolve().parents[1]


def bench(rows: Rows, folder: Path, *, count: int, rounds: int, dropped: int) -> None:
    """``count`` uploads of 4 MiB each, one after the other and by four threads, both ways in turn."""
    say(f"drive: {count} uploads of 4 MiB")
    command = [sys.executable, "-m", "tests.fakes.drive", "--port", "0", "--write", str(folder / "drive"), "--attached"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=_environment()
    ) as fake:
        assert fake.stdout is not None
        told = json.loads(fake.stdout.readline() or "{}")
        try:
            if not told:
                raise BenchError("the fake Drive did not start")
            for number in range(dropped + rounds):
                for threads in (1, 4):
                    _both(rows, told, count, threads, keep=number >= dropped)
        finally:
            fake.kill()
    for threads in (1, 4):
        _compare(rows, threads)


def _both(rows: Rows, told: dict[str, str], count: int, threads: int, *, keep: bool) -> None:
    for who, how in ((OURS, "plugin"), (SDK, "sdk")):
        words = [how, told["url"], told["client_secret_file"], told["token_file"], str(count), str(threads)]
        done = run([sys.executable, "-m", "bench.drive", *words], env=_environment(), cwd=ROOT)
        took = json.loads(done.stdout)
        sample = Sample(replace(done, cpu=took["cpu"]), seconds=took["seconds"])
        if keep:
            rows.row(PART, _case(threads), who, size=count * SIZE).add(sample)


def _case(threads: int) -> str:
    return f"4 MiB uploads, {threads} thread{'s' if threads > 1 else ''}"


def _compare(rows: Rows, threads: int) -> None:
    """The ratio, said and kept as the row's note."""
    ours, theirs = rows.row(PART, _case(threads), OURS), rows.row(PART, _case(threads), SDK)
    if not ours.seconds or not theirs.seconds:
        return
    cpu = sorted(theirs.cpu)[len(theirs.cpu) // 2] / sorted(ours.cpu)[len(ours.cpu) // 2]
    ours.note = f"{theirs.middle / ours.middle:.1f} x the SDK's rate, {cpu:.1f} x less processor time"
    say(f"  {_case(threads)}: {ours.note}")


def _environment() -> dict[str, str]:
    return environment(PYTHONPATH=f"{ROOT}:{ROOT / 'backends'}")


# ------------------------------------------------------------------------------------ one contender, in its own process
def _plugin(told: list[str]) -> Callable[[], Callable[[int, bytes], None]]:
    from webraid.backend.base import Digest
    from webraid_gdrive import DriveBackend, DriveOptions

    url, client, token = told
    secrets = {"client_secret": Path(client).read_text(), "token": Path(token).read_text()}
    first = DriveBackend.connect(DriveOptions(endpoint=url), secrets)
    first.prepare()

    def worker() -> Callable[[int, bytes], None]:
        backend = DriveBackend.connect(DriveOptions(endpoint=url), secrets)

        def upload(number: int, data: bytes) -> None:
            name = f"shards/{number % 256:02x}/{time.monotonic_ns():032x}.{number}"
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            stored = backend.put(name, data, digest=Digest(hashlib.sha256(data).hexdigest(), md5))
            assert stored.verified
            backend.delete(name, locator=stored.locator)

        return upload

    return worker


def _sdk(told: list[str]) -> Callable[[], Callable[[int, bytes], None]]:
    import io

    import httplib2
    from google.oauth2.credentials import Credentials
    from google_auth_httplib2 import AuthorizedHttp
    from googleapiclient.http import MediaIoBaseUpload

    from webraid_gdrive.transport import service

    url, client, token = told
    app, grant = json.loads(Path(client).read_text())["installed"], json.loads(Path(token).read_text())
    files = service(f"{url}/").files()

    def worker() -> Callable[[int, bytes], None]:
        login = Credentials(
            None, refresh_token=grant["refresh_token"], token_uri=app["token_uri"], client_id=app["client_id"],
            client_secret=app["client_secret"],
        )  # fmt: skip
        http = AuthorizedHttp(login, http=httplib2.Http(timeout=60))

        def upload(number: int, data: bytes) -> None:
            media = MediaIoBaseUpload(io.BytesIO(data), mimetype="application/octet-stream", resumable=False)
            request = files.create(body={"name": f"n{number}"}, media_body=media, fields="id,md5Checksum")
            stored = request.execute(http=http)
            assert stored["md5Checksum"] == hashlib.md5(data, usedforsecurity=False).hexdigest()
            files.delete(fileId=stored["id"]).execute(http=http)

        return upload

    return worker


def _measure(worker: Callable[[], Callable[[int, bytes], None]], count: int, threads: int) -> dict[str, Any]:
    """Seconds and processor seconds of the uploads alone.  Each is deleted again, in both ways alike."""
    data = hashlib.shake_128(b"drive").digest(SIZE)
    uploads = [worker() for _ in range(threads)]
    for upload in uploads:
        upload(0, data)  # connects, and asks for the token

    def work(at: int) -> None:
        for number in range(at, count, threads):
            uploads[at](number, data)

    workers = [threading.Thread(target=work, args=(at,)) for at in range(threads)]
    began, cpu = time.monotonic(), time.process_time()
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    return {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


def main(how: str, url: str, client: str, token: str, count: str, threads: str) -> None:
    worker = {"plugin": _plugin, "sdk": _sdk}[how]([url, client, token])
    print(json.dumps(_measure(worker, int(count), int(threads))))


if __name__ == "__main__":
    main(*sys.argv[1:])
