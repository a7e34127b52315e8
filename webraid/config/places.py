"""Where the pool's files lie on this machine, and how private ones are written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

DATABASE = "table.sqlite"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie on this machine.  ``cache``: a folder for what can be read from the disks again, None: the state
    folder; not ``cached``: that is kept nowhere."""

    config: Path
    state: Path
    cache: Path | None = None
    cached: bool = True

    @property
    def secrets(self) -> Path:
        """The disks' secrets, mode 0600, beside the config file."""
        return self.config.with_name("secrets.toml")

    def plugin(self, kind: str) -> Path:
        """What the disks of a kind keep in files of their own, mode 0700."""
        return self.config.with_name("plugins") / kind

    @property
    def database(self) -> Path | None:
        """The local cache; None: it lasts as long as the run.  A cache belongs to a state folder: in a folder for
        several, each has one of its own."""
        if not self.cached:
            return None
        if self.cache is None:
            return self.lasting
        owner = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:16]
        return self.cache / f"webraid-{owner}" / DATABASE

    @property
    def lasting(self) -> Path:
        """The same file where nobody says otherwise.  What no disk can tell again (what budgets have left, when which
        disk was scrubbed) stays here in any case."""
        return self.state / DATABASE

    def databases(self) -> Iterator[Path]:
        """The files of both, with all that SQLite has laid beside them."""
        for path in {self.lasting, self.database or self.lasting}:
            yield from path.parent.glob(f"{path.name}*")

    @property
    def device(self) -> Path:
        """This machine's key and its own log records that are not yet everywhere."""
        return self.state / "device"

    @property
    def recovering(self) -> Path:
        """A note that a recover has not come to its end yet."""
        return self.state / "recovering"

    @property
    def lock(self) -> Path:
        """Held by a run that writes."""
        return self.state / "lock"


def places(environ: Mapping[str, str], *, config: str | None = None) -> Places:
    """From the flag, WEBRAID_CONFIG, WEBRAID_STATE_DIR, WEBRAID_CACHE_DIR, or the platform's usual folders.
    WEBRAID_NO_CACHE: any word but 0, no, off and false."""
    default = Path(platformdirs.user_config_dir("webraid")) / "config.toml"
    path = config or environ.get("WEBRAID_CONFIG") or str(default)
    state = environ.get("WEBRAID_STATE_DIR") or platformdirs.user_state_dir("webraid")
    cache = environ.get("WEBRAID_CACHE_DIR") or None
    return Places(
        _absolute(path), _absolute(state), _absolute(cache) if cache else None,
        environ.get("WEBRAID_NO_CACHE", "").strip().lower() in ("", "0", "no", "off", "false"),
    )  # fmt: skip


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 0600, durable before it returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # a leftover's mode and a planted link are not taken over
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
