"""Running the user's own password command.  The only place of the command line that starts another program."""

from __future__ import annotations

import shlex
import subprocess

from webraid.errors import ConfigError


def output_of(command: str) -> str:
    """What ``command`` (quoted as in a shell, run without) prints.  It may use the terminal.  Raises ConfigError."""
    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
    except ValueError as error:
        raise ConfigError(f"the password command cannot be understood: {error}") from None
    except OSError as error:
        raise ConfigError(f"the password command cannot be started: {error.strerror}") from None
    if done.returncode:
        raise ConfigError(
            f"the password command failed with exit code {done.returncode}", hint="Run it alone to see what is wrong."
        )
    try:
        return done.stdout.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError("the password command printed something that is not UTF-8") from None
