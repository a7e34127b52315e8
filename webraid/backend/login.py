"""Secrets of a disk, and how a plug-in asks for them: what a login gets from its caller, and what it gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from webraid.env import Env

Keep = Callable[[Mapping[str, str]], None]


class Secrets(Mapping[str, str]):
    """The secrets of one disk, shared by all its threads.

    Some providers replace a secret while it is used (a refresh token that is good for one use): ``renew`` keeps the
    new one, so that the next run has it.  ``folder``: a folder (mode 0700) on this machine that lasts, for what an SDK
    or a child process insists on keeping in a file of its own; None where there is none (a trial of the disk).  It is
    shared by all disks of the kind.  ``disk``: the disk's name, '' where it has none yet.
    """

    def __init__(
        self, values: Mapping[str, str] | None = None, *, disk: str = "", folder: Path | None = None,
        keep: Keep | None = None,
    ) -> None:  # fmt: skip
        self.disk = disk
        self.folder = folder
        self._values = dict(values or {})
        self._keep = keep
        self._lock = threading.Lock()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Secrets:
        """``values`` as they are when they are Secrets already."""
        return values if isinstance(values, cls) else cls(values)

    def renew(self, values: Mapping[str, str]) -> None:
        """Put ``values`` in the place of what was there under their names, now and for the next run."""
        with self._lock:
            if all(self._values.get(name) == value for name, value in values.items()):
                return
            renewed = {**self._values, **values}
            if self._keep is not None:
                self._keep(dict(renewed))  # if that fails the old values stay, and the next renewal tries again
            self._values = renewed

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that a question offers: what is returned, and what it means."""

    value: str
    help: str = ""


class Dialogue(Protocol):
    """Whoever sits at the terminal, as a login sees them."""

    @property
    def interactive(self) -> bool:
        """Whether anybody is there.  Where nobody is, every question without a default raises ConfigError."""

    @property
    def env(self) -> Env:
        """Clock, randomness, sleep."""

    def tell(self, text: str) -> None:
        """Say something; never a secret."""

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        """A line of text.  ``instead``: what to give on the command line when nobody can be asked.  ``only``: it must
        be one of ``choices``.  ``hidden``: do not show what is typed.  ``optional``: '' is an answer."""

    def browse(self, url: str) -> bool:
        """Show a page in the user's web browser; False where there is none (the caller prints the address)."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a login found out: options to add to (or put in the place of) the given ones, and secrets likewise."""

    options: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
