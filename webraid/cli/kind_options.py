"""'add-backend KIND [NAME] --option value...': each kind has options of its own, known only when it is named."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from webraid.cli.asking import ask, ask_hidden, ask_optional, choose
from webraid.cli.invocation import Invocation
from webraid.cli.plain import PlainCommand
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.backend.registry import Option

LOOSE = {"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}
_HERE = "webraid.words"  # where a command line that asks for help keeps its words


@dataclass(frozen=True, slots=True)
class Words:
    """KIND, NAME and the kind's options as they were typed; None: a flag without a value."""

    kind: str = ""
    name: str = ""
    options: Mapping[str, str | None] = field(default_factory=dict, repr=False)


class KindCommand(PlainCommand):
    """A command whose help, once it says KIND, lists that kind's options too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember the words: --help is answered before they are parsed."""
        ctx.meta[_HERE] = list(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The options of the kind that was named, or all kinds."""
        from webraid.backend import registry

        installed = registry.kinds()
        kind = next((word for word in ctx.meta.get(_HERE, []) if word in installed), "")
        if kind:
            rows = [(_flag(option), _explained(option)) for option in registry.options_of(registry.load(kind))]
            with formatter.section(f"Options of {kind}"):
                formatter.write_dl(rows)
        else:
            with formatter.section("Kinds (name one before --help to see its options)"):
                formatter.write_dl(list(summaries()))


def summaries() -> list[tuple[str, str]]:
    """Kind and what it is, or what is missing for it."""
    from webraid.backend import registry
    from webraid.errors import PluginMissing

    rows = []
    for kind in registry.kinds():
        try:
            rows.append((kind, registry.load(kind).summary))
        except PluginMissing as error:
            rows.append((kind, str(error)))
    return rows


def _flag(option: Option) -> str:
    return f"--{option.name.replace('_', '-')}" + ("" if option.type == "true or false" else " VALUE")


def _explained(option: Option) -> str:
    state = " [required]" if option.required else f" [{option.default}]" if option.default not in ("", None) else ""
    secret = " (secret: kept apart, mode 0600; '${NAME}' takes it from the environment)" if option.secret else ""
    return f"{option.help}{secret}{state}"


def split(words: Sequence[str]) -> Words:
    """Sort what was typed into KIND, NAME and options.  Raises ConfigError."""
    from webraid.backend.registry import load, options_of

    plain: list[str] = []
    options: dict[str, str | None] = {}
    left = list(words)
    known: dict[str, Option] = {}
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            plain.append(word)
            if len(plain) == 1:
                known = {option.name: option for option in options_of(load(word))}
            continue
        if not plain:
            raise ConfigError(f"{word} comes before KIND", hint="First the kind of disk, then its options.")
        spelled, has_value, value = word[2:].partition("=")
        option = _known(plain[0], spelled, known)
        if has_value:
            options[option.name] = value
        elif option.type == "true or false" and (not left or left[0].startswith("--")):
            options[option.name] = "true"
        elif left:
            options[option.name] = left.pop(0)
        else:
            raise ConfigError(f"{word} needs a value", hint=_explained(option))
    if len(plain) > 2:
        raise ConfigError("too many words", hint="It is: KIND [NAME] --option value ...  (every option has its dashes)")
    kind, name = [*plain, "", ""][:2]
    return Words(kind, name, options)


def _known(kind: str, spelled: str, known: Mapping[str, Option]) -> Option:
    option = known.get(spelled.replace("-", "_"))
    if option is not None:
        return option
    near = difflib.get_close_matches(spelled.replace("-", "_"), known, n=1)
    hint = f"Did you mean {_flag(known[near[0]]).split()[0]}?" if near else f"See 'webraid add-backend {kind} --help'."
    raise ConfigError(f"a {kind} disk has no option --{spelled}", hint=hint)


def complete(call: Invocation, words: Words) -> Words:
    """Ask for the kind and the options that are still missing; off a terminal that is an error.

    Who typed no option at all is asked for everything that has no default.  Raises ConfigError.
    """
    from webraid.backend.registry import load, options_of

    kind = words.kind or _which(call)
    options = dict(words.options)
    for option in options_of(load(kind)):
        if option.name in options or option.default not in ("", None):
            continue
        if option.required and not option.secret and not call.interactive:
            raise ConfigError(f"a {kind} disk needs {_flag(option).split()[0]}", hint=option.help)
        if option.required and not option.secret:
            options[option.name] = ask(call, _question(option), instead=_flag(option))
        elif call.interactive and not words.options:
            asks = ask_hidden if option.secret else ask_optional
            answer = asks(call, _question(option), instead=_flag(option))
            if answer:
                options[option.name] = answer
    return Words(kind, words.name, options)


def _question(option: Option) -> str:
    """What it is on one line, then its name and room for the answer."""
    return f"{option.help}\n  {option.name.replace('_', ' ')}"


def _which(call: Invocation) -> str:
    known = summaries()
    names = ", ".join(name for name, _ in known)
    if not call.interactive:
        raise ConfigError("which kind of disk?", hint=f"Give KIND, one of: {names}.")
    call.screen.table(("Kind", "What it is"), known)
    return choose(call, "Kind", [name for name, _ in known], instead=f"KIND: {names}")


def settled(words: Words) -> dict[str, object]:
    """The options as the plug-in understands them: a folder's path is absolute whatever folder webraid runs in next.

    Raises ConfigError.
    """
    from webraid.backend.registry import load, make_options

    given: dict[str, object] = dict(words.options)
    if any("${" in str(value) for value in given.values()):
        return given
    parsed, secrets = make_options(load(words.kind), given)
    understood = {name: getattr(parsed, name, value) for name, value in given.items() if name not in secrets}
    texts = {name: value for name, value in understood.items() if isinstance(value, str)}
    return {**given, **texts}
