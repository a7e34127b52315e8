"""One run of one command: its flags, where the pool is, how to talk to whoever runs it, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from webraid.cli import complaints
from webraid.cli.for_this_run import overrides
from webraid.env import Env
from webraid.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK, WebRAIDError

if TYPE_CHECKING:  # everything heavy is imported when it is used: 'webraid --help' stays quick
    from webraid.cli.flags import Flags
    from webraid.cli.gauge import Meters
    from webraid.cli.jsonlines import Lines
    from webraid.cli.quiet import Quiet
    from webraid.cli.render import Screen
    from webraid.config import Places
    from webraid.jobs.base.events import Event
    from webraid.jobs.base.settings import Settings
    from webraid.pool import Pool


class Listener(Protocol):
    """What both kinds of output can do while a job runs.  ``hushed``: events are not shown, the result tells it all."""

    hushed: bool

    @property
    def draws(self) -> bool:
        """Whether anybody is shown how far a job is."""

    def event(self, event: Event) -> None:
        """Take in an event; on any thread."""

    def job(self, title: str, meters: Meters = ...) -> Any:
        """A context manager: a job is running."""


class Invocation:
    """What a command's function works with."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.env = Env()
        self.only: Collection[str] = ()  # names of the disks that a command was told to use; none: all

    # -- the pool ----------------------------------------------------------------------------------------------------
    @cached_property
    def environ(self) -> Mapping[str, str]:
        """The environment, and before it what flags say for this run.  Raises ConfigError."""
        return {**os.environ, **overrides(self.flags)}

    @cached_property
    def places(self) -> Places:
        """Where the pool's files are."""
        from webraid import config

        return config.places(self.environ, config=self.flags.config)

    @cached_property
    def settings(self) -> Settings:
        """What every job needs."""
        from webraid.pool import settings

        return settings(
            config_file=self.flags.config, environ=self.environ, env=self.env,
            on_event=self._event, only=self.only,
        )  # fmt: skip

    @contextmanager
    def pool(self) -> Iterator[Pool]:
        """This machine's pool, opened."""
        from webraid.pool import open_pool

        with open_pool(self.settings) as pool:
            yield pool

    def _event(self, event: Event) -> None:
        """The output is made when there is something to put out: cat needs none."""
        self.listener.event(event)

    @contextmanager
    def job(self, title: str, pool: Pool | None = None) -> Iterator[None]:
        """Show how a job goes while it runs."""
        from webraid.cli.gauge import nothing
        from webraid.cli.traffic import traffic

        with self.listener.job(title, (lambda: traffic(pool)) if pool else nothing):
            yield

    # -- talking -----------------------------------------------------------------------------------------------------
    @property
    def interactive(self) -> bool:
        """Whether somebody is there who can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.flags.json

    @cached_property
    def screen(self) -> Screen:
        """Output for people."""
        from webraid.cli.render import Screen

        return Screen(self.env, quiet=self.flags.quiet, verbose=self.flags.verbose)

    @cached_property
    def lines(self) -> Lines:
        """Output for programs."""
        from webraid.cli.jsonlines import Lines

        return Lines(self.env, quiet=self.flags.quiet)

    @cached_property
    def quiet(self) -> Quiet:
        """Output for people who said -q."""
        from webraid.cli.quiet import Quiet

        return Quiet(lambda: self.screen)

    @property
    def listener(self) -> Listener:
        """The output that was asked for."""
        return self.lines if self.flags.json else self.quiet if self.flags.quiet else self.screen

    @contextmanager
    def hush(self, *, people: bool = True) -> Iterator[None]:
        """No events: programs get one document and nothing else.  ``people``: their page tells it all as well."""
        self.listener.hushed = people or self.flags.json
        try:
            yield
        finally:
            self.listener.hushed = False

    def show(self, document: Callable[[], Mapping[str, Any]], page: Callable[[Screen], None]) -> None:
        """The result: a document for programs, or a page for people."""
        if self.flags.json:
            self.lines.write(document())
            return
        if self.flags.quiet:
            self.screen.moved = self.quiet.moved
        page(self.screen)

    def summary(self, document: Callable[[], Mapping[str, Any]], page: Callable[[Screen], None]) -> None:
        """A result that people who said -q do not want to see."""
        if self.flags.json or not self.flags.quiet:
            self.show(document, page)

    # -- ending ------------------------------------------------------------------------------------------------------
    def run(self, function: Callable[[], int | None]) -> int:
        """Call the command's function; whatever happens becomes an exit code and, at most, two lines."""
        try:
            overrides(self.flags)  # what is wrong is told also where the command has no use for it
            code = function() or EXIT_OK
            sys.stdout.flush()
        except WebRAIDError as error:
            self._complain(str(error), error.exit_code, error, hint=error.hint)
            return error.exit_code
        except KeyboardInterrupt as error:
            self._complain(complaints.INTERRUPTED, EXIT_INTERRUPTED, error)
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # whoever read our output has seen enough
            complaints.let_go_of_stdout()
            return EXIT_ERROR
        except OSError as error:
            what = f"{error.filename}: " if isinstance(error.filename, str) else ""
            text = f"{what}{error.strerror or type(error).__name__}"
            self._complain(text, EXIT_ERROR, error)
            return EXIT_ERROR
        if code and self.flags.json:
            complaints.exit_error(code)
        return code

    def _complain(self, text: str, code: int, error: BaseException, hint: str = "") -> None:
        complaints.tell(text, code, hint=hint, json=self.flags.json, debug=error if self.flags.debug else None)
