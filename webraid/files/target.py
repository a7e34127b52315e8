"""The folder a restore goes into: made when missing, and held by one run at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from webraid.errors import ConfigError, PoolBusy
from webraid.files.problem import display, words


def open_target(target: Path, on_note: Callable[[str], None]) -> int:
    """A descriptor of the folder, locked against other restores until it is closed.

    The path itself is the user's and may go through symlinks.  Raises ConfigError, PoolBusy.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        shown = display(os.fsencode(target))
        raise ConfigError(
            f"can't restore into {shown}: {words(error)}", hint="Choose another folder with -t."
        ) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise PoolBusy(f"another restore is writing into {display(os.fsencode(target))}") from None
    except OSError as error:
        on_note(f"the target could not be locked against other runs: {words(error)}")
    return fd
