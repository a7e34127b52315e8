"""A machine for tests: config and state in a temporary folder, pools on folders or simulated clouds."""

from __future__ import annotations

import os
from pathlib import Path

from webraid.codec.keys import KdfParams
from webraid.jobs.base.settings import Settings
from webraid.lab import Lab
from webraid.pool import Pool, init_pool, open_pool, settings

PASSPHRASE = "correct horse battery staple winter"
QUICK = KdfParams(memory_kib=1024, passes=1, lanes=1)


class Home:
    """A machine's config and state in a temporary folder, with pools on folders beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[object] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "WEBRAID_CONFIG": str(self.folder / "config.toml"),
            "WEBRAID_STATE_DIR": str(self.folder / "state"),
        }

    @property
    def settings(self) -> Settings:
        return settings(environ=self.environ, on_event=self.events.append)

    def make(self, level: str, count: int) -> Home:
        init_pool(self.settings, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
        with self.open() as pool:
            for number in range(1, count + 1):
                pool.add_backend("local", f"d{number}", {"path": str(self.disk(number))})
        return self

    def disk(self, number: int) -> Path:
        return self.folder / f"d{number}"

    def open(self) -> Pool:
        self.events.clear()
        return open_pool(self.settings)

    def make_on(self, level: str, lab: Lab) -> Home:
        """A pool on simulated clouds, each a failure domain of its own."""
        init_pool(self.settings, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
        with self.open() as pool:
            for cloud in lab.clouds:
                options = {
                    "endpoint": cloud.endpoint,
                    "bucket": cloud.bucket,
                    "access_key": cloud.access_key,
                    "secret_key": cloud.secret_key,
                }
                pool.add_backend("s3", cloud.name, options, domain=cloud.name)
        return self
