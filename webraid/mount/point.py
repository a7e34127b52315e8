"""The folder that is mounted on: refused when it does not fit, mounted, and let go of cleanly."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from webraid.errors import ConfigError, PluginMissing
from webraid.jobs.browsing.browse import Browser
from webraid.mount.library import FUSE, VERSION
from webraid.mount.operations import Snapshots

DEVICE = Path("/dev/fuse")
FUSE_CONF = Path("/etc/fuse.conf")
HELPER = "fusermount3" if VERSION[0] == 3 else "fusermount"
SAME = 60  # seconds that the kernel need not ask again: what is in a snapshot never changes
THREADS = 32  # that answer the kernel; those that wait for a slow disk must not keep the others from answering
NEVER_SERVED = {2: "the folder cannot be used", 3: "the kernel refused", 4: "the kernel refused"}


@dataclass(frozen=True, slots=True)
class Options:
    """``allow_other``: other users may look as well.  ``permissions``: the files' own modes decide who may read.
    ``owner_root``: everything belongs to root."""

    allow_other: bool = False
    permissions: bool = True
    owner_root: bool = False


def check(where: Path, options: Options) -> None:
    """Raises ConfigError or PluginMissing, with what to do, when nothing can be mounted on this folder."""
    _check_machine(options)
    try:
        inside = os.listdir(where)
    except FileNotFoundError:
        raise ConfigError(f"there is no folder {where}", hint=f"Make it: mkdir -p {where}") from None
    except NotADirectoryError:
        raise ConfigError(f"{where} is no folder", hint="Name an empty folder.") from None
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            text = f"{where} is a mount whose program has ended"
            raise ConfigError(text, hint=f"Clear it: {HELPER} -uz {where}") from None
        raise ConfigError(
            f"{where} cannot be used: {os.strerror(error.errno or 0)}", hint="Name an empty folder."
        ) from None
    if os.path.ismount(where):
        raise ConfigError(f"something is mounted on {where} already", hint=f"To end that: {HELPER} -u {where}")
    if inside:
        raise ConfigError(f"{where} is not empty", hint="Name an empty folder: a mount would hide what is in it.")
    if not os.access(where, os.W_OK | os.X_OK):
        raise ConfigError(f"{where} is not yours to mount on", hint="Name an empty folder of your own.")


def _check_machine(options: Options) -> None:
    if not DEVICE.exists():
        raise PluginMissing(
            f"there is no {DEVICE} on this machine", hint="apt install fuse3; in a container: --device /dev/fuse"
        )
    if os.geteuid() == 0:
        return
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise ConfigError(f"{DEVICE} is not for you to use", hint="Mount as root, or: sudo chmod 666 /dev/fuse")
    if shutil.which(HELPER) is None:
        raise PluginMissing(f"mounting needs {HELPER}, unless one is root", hint="apt install fuse3")
    if options.allow_other and "user_allow_other" not in _configured():
        raise ConfigError(
            "only root may let other users look into a mount", hint=f"Add the line user_allow_other to {FUSE_CONF}."
        )


def _configured() -> list[str]:
    try:
        return [line.strip() for line in FUSE_CONF.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return []


def serve(browser: Browser, where: Path, options: Options, *, on_ready: Callable[[], None]) -> int:
    """Mount, and stay until Ctrl-C, SIGTERM or an unmount.  Returns how many files were still open then.

    Raises ConfigError when it cannot be mounted.  On the main thread only: signals end it.
    """
    files = Snapshots(browser, owner_root=options.owner_root, on_ready=on_ready)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # libfuse takes those signals that nobody has taken
    try:
        FUSE(files, str(where), **_settings(options))
    except RuntimeError as error:  # also how it tells that a signal has ended it
        code = error.args[0] if error.args else 0
        if not files.served:
            why = NEVER_SERVED.get(code, f"libfuse ended with code {code}")
            raise ConfigError(f"{where} cannot be mounted on: {why}", hint="See what libfuse said above.") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    left = list(files.opened.values())
    for opened in left:
        opened.reader.close()
    return len(left)


def _settings(options: Options) -> dict[str, object]:
    settings: dict[str, object] = {
        "foreground": True, "fsname": "webraid", "subtype": "webraid", "ro": True, "use_ino": True,
        "kernel_cache": True, "attr_timeout": SAME, "entry_timeout": SAME, "negative_timeout": 0,
        "default_permissions": options.permissions, "allow_other": options.allow_other,
        "auto_unmount": shutil.which(HELPER) is not None,  # even a killed process leaves no dead mount behind
    }  # fmt: skip
    if VERSION >= (3, 12):
        settings |= {"max_threads": THREADS, "max_idle_threads": THREADS}
    return settings


def unmount_hint(where: Path) -> str:
    """How to end it from elsewhere."""
    return f"{HELPER} -u {where}"
