"""'add-backend KIND [NAME] --option value...': each kind has options of its own, known only when it is named."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webraid.cli.plain import PlainCommand
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.backend.registry import Option

LOOSE = {"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}
FILE, ENV = "_file", "_env"  # what a secret's flag may end in
_HERE = "webraid.words"  # where a command line that asks for help keeps its words
_FROM_ENV = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Words:
    """KIND, NAME and the kind's options as they were typed; secrets by their content.  ``typed``: whether any was;
    ``word``: KIND as it was typed, 'onedrive' where ``kind`` is rclone."""

    kind: str = ""
    name: str = ""
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    typed: bool = False
    word: str = ""


class KindCommand(PlainCommand):
    """A command whose help, once it says KIND, lists that kind's options too.

    --password-file is every command's flag for the pool's passphrase.  Behind the name of a disk or a kind that has a
    password, of a command that needs no passphrase, it means the disk's.
    """

    disks_password = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember the words: --help is answered before they are parsed."""
        ctx.meta[_HERE] = list(args)
        first = next((n for n, word in enumerate(args) if not word.startswith("-")), len(args))
        if self.disks_password and _has_password(args[first : first + 1]):
            args = [*args[:first], *(re.sub(r"^--password-file(?==|$)", "--password_file", w) for w in args[first:])]
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The options of the kind that was named, or all kinds."""
        from webraid.backend import registry

        words = [word for word in ctx.meta.get(_HERE, []) if not word.startswith("-")]
        known = registry.kinds()
        if words and words[0] not in known:
            known += registry.covered()
        kind = next((word for word in words if word in known), "")
        if kind:
            _describe(kind, formatter)
            return
        with formatter.section("Kinds (name one before --help to see its options)"):
            formatter.write_dl(list(summaries()))
        for by, names in _covered().items():
            with formatter.section(f"Kinds by way of {by}"):
                formatter.write_text(", ".join(names))


class RecoverCommand(KindCommand):
    """recover needs the passphrase."""

    disks_password = False


def _has_password(word: list[str]) -> bool:
    """Whether a kind, or a disk's, has a secret called password; of what is no kind: a disk's name, as may be."""
    from webraid.backend import registry
    from webraid.errors import PluginMissing

    if not word or word[0] not in registry.kinds():
        return bool(word)
    try:
        return any(option.name == "password" for option in registry.options_of(registry.load(word[0])))
    except PluginMissing:
        return False


def _describe(kind: str, formatter: Any) -> None:
    from webraid.backend import registry

    by, given = registry.meant(kind)
    cls = registry.load(by)
    options = [option for option in registry.options_of(cls) if option.name not in given]
    with formatter.section(f"{kind}, by way of {by}" if by != kind else kind):
        formatter.write_text(f"It is {_ended(cls.also_called()[kind] if by != kind else cls.summary)}")
        if cls.free_tier:
            formatter.write_text(f"Free there: {cls.free_tier}.")
        formatter.write_text(f"How to set it up, step by step: docs/backends/{by}.md")
    with formatter.section(f"Options of {kind}"):
        formatter.write_dl([(_flag(option), explained(option)) for option in options])
    secrets = [option for option in options if option.secret]
    if secrets:
        example = next((option for option in secrets if not option.file), secrets[0])
        name = f"--{example.name.replace('_', '-')}"
        with formatter.section("Secrets"):
            formatter.write_text(
                "Everybody on this machine can see a flag's value while the command runs. So each secret has two more "
                "flags, such as"
            )
            formatter.write_dl([
                (f"{name}-env VARIABLE", "Take it from this environment variable."),
                (f"{name}-file FILE", "Take it from this file."),
            ])  # fmt: skip
            formatter.write_text("Secrets are kept apart from the config file, mode 0600 or in the keyring.")


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


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


def _covered() -> dict[str, list[str]]:
    """Kind -> the names it covers besides its own."""
    from webraid.backend import registry

    found: dict[str, list[str]] = {}
    for alias, (by, _) in sorted(registry.covered().items()):
        found.setdefault(by, []).append(alias)
    return found


def spelled(option: Option) -> str:
    """The option's flag."""
    return f"--{option.name.replace('_', '-')}"


def article(kind: str) -> str:
    """'a' or 'an', as one says the kind's name: an s3 disk, an sftp disk, an onedrive disk."""
    return "an" if kind.startswith(("a", "e", "i", "o", "ftp", "hdfs", "rclone", "s3", "sftp", "smb")) else "a"


def unattended(name: str, said: Words) -> str:
    """What to do about a login that is refused where nobody can be asked."""
    from webraid.backend.registry import load, options_of

    flags = [
        spelled(option) + ("" if option.file else "-file") for option in options_of(load(said.kind)) if option.secret
    ]
    if said.typed or not flags:
        return "It stays as it was. Compare what you gave with the provider's page."
    return f"Run it at a terminal, or give what is new: {', '.join(f'{flag} FILE' for flag in flags)}."


def _flag(option: Option) -> str:
    what = "FILE" if option.file else "" if option.type == "true or false" else "VALUE"
    return f"{spelled(option)} {what}".rstrip()


def explained(option: Option) -> str:
    """What it is for, on one line."""
    default = option.default
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    quiet = option.secret or default in ("", None) or default is False or default == ()
    state = " [required]" if option.required and not option.secret else "" if quiet else f" [{default}]"
    return f"{option.help}{' (secret)' if option.secret else ''}{state}"


# -------------------------------------------------------------------------------------------------------------- words
def split(words: Sequence[str], kind: str = "") -> Words:
    """Sort what was typed into KIND, NAME and options; with ``kind`` only a NAME is typed.  Raises ConfigError."""
    plain = [kind] if kind else []
    said = _Said(kind) if kind else None
    left = list(words)
    while left:
        word = left.pop(0)
        if word.startswith("--") and said is None:
            raise ConfigError(f"{word} comes before KIND", hint="First the kind of disk, then its options.")
        if word.startswith("--") and said is not None:
            said.take(word, left)
            continue
        plain.append(word)
        said = said or _Said(word)
    if len(plain) > 2:
        form = "NAME" if kind else "KIND [NAME]"
        raise ConfigError("too many words", hint=f"It is: {form} --option value ...  (every option has its dashes)")
    name = [*plain, "", ""][1]
    return Words(said.kind, name, said.options, said.secrets, said.typed, said.word) if said else Words()


class _Said:
    """The options of one kind, as they are read off the command line."""

    def __init__(self, kind: str) -> None:
        from webraid.backend.registry import load, meant, options_of

        self.word = kind
        self.kind, given = meant(kind)
        self.options: dict[str, object] = dict(given)
        self.secrets: dict[str, str] = {}
        self.typed = False
        self._known = {option.name: option for option in options_of(load(self.kind))}

    def take(self, word: str, left: list[str]) -> None:
        """One flag and its value; takes what it needs from ``left``."""
        flag, has_value, value = word.partition("=")
        self.typed = True
        option, source = self._option(flag)
        flag = flag.replace("_", "-")
        if not has_value:
            if option.type == "true or false" and (not left or left[0].startswith("--")):
                value = "true"
            elif left:
                value = left.pop(0)
            else:
                raise ConfigError(f"{word} needs a value", hint=explained(option))
        if option.name in self.secrets:
            raise ConfigError(f"{spelled(option)} is given twice", hint="Give one of them.")
        if option.secret:
            told = content(flag, value, source or (FILE if option.file else ""))
            self.secrets[option.name] = told if option.file else told.rstrip("\r\n")
        else:
            self.options[option.name] = content(flag, value, FILE) if option.file else value

    def _option(self, flag: str) -> tuple[Option, str]:
        """The option, and where its value comes from: '', '_file' or '_env'."""
        name = flag[2:].replace("-", "_")
        if name in self._known:
            return self._known[name], ""
        for ending in (FILE, ENV):
            option = self._known.get(name.removesuffix(ending))
            if option is not None and option.secret and name.endswith(ending):
                return option, ending
        near = difflib.get_close_matches(name, self._known, n=1)
        hint = f"Did you mean {spelled(self._known[near[0]])}?" if near else ""
        raise ConfigError(
            f"{article(self.word)} {self.word} disk has no option {flag}",
            hint=hint or f"See 'webraid add-backend {self.word} --help'.",
        )


def content(flag: str, value: str, source: str) -> str:
    """A secret, from where its flag says.  Raises ConfigError, never with the secret in it."""
    if source == FILE:
        return of_file(value, flag)
    found = _FROM_ENV.fullmatch(value)
    if source == ENV or found:
        name = found[1] if found else value
        if name not in os.environ:
            raise ConfigError(f"{flag}: the variable {name} is not set", hint=f"Set it: export {name}=...")
        value = os.environ[name]
        if not value.strip():
            raise ConfigError(f"{flag}: the variable {name} is empty", hint="Put the secret into it.")
    return value


def of_file(name: str, flag: str) -> str:
    """The content of a file.  Raises ConfigError."""
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{flag}: {name} is not a text", hint="It must be UTF-8 or plain ASCII.") from None
    except OSError as error:
        raise ConfigError(f"{flag}: {name} cannot be read: {error.strerror}", hint="Give a file's name.") from None
    if not text.strip():
        raise ConfigError(f"{flag}: {name} is empty", hint="Put the secret into it.")
    return text
