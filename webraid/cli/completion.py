"""completion: the shells' completion scripts, and what words complete to: never by asking a disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError, WebRAIDError

if TYPE_CHECKING:
    from webraid.config import Config
    from webraid.table.fold import Shot, State

Words = list[str] | list[tuple[str, str]]
VARIABLE = "_WEBRAID_COMPLETE"
LEVELS = {
    "raid0": "no disk may be lost",
    "raid1": "a copy on every disk",
    "raid1:2": "two copies",
    "raid5": "any one disk may be lost",
    "raid6": "any two disks may be lost",
    "rs:4+2": "four data shards, any two may be lost",
    "rs:4+3": "four data shards, any three may be lost",
}
_CHOICE = re.compile(r"[\w-]+(\|[\w-]+)+")
_NAMES = re.compile("[A-Z]+")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "completion")(completion)


def completion(
    call: Invocation,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", show_default=False, help="Your shell.")],
) -> None:
    """Print the completion script of a shell.

    It completes commands, options, snapshots, disks, levels, tags, hosts and sources: from what this machine knows, no
    disk is asked.

    \b
    Examples:
      webraid completion bash > ~/.local/share/bash-completion/completions/webraid
      webraid completion zsh > ~/.zfunc/_webraid
      webraid completion fish > ~/.config/fish/completions/webraid.fish
    """
    from webraid.cli.shell_scripts import SCRIPTS

    if shell not in SCRIPTS:
        raise ConfigError(f"there is no completion for {shell!r}", hint=f"Known: {', '.join(SCRIPTS)}.")
    typer.echo(SCRIPTS[shell], nl=False)


# ------------------------------------------------------------------------------------------- what this machine knows
def _config() -> Config | None:
    from webraid.config import load, places

    try:
        return load(places(os.environ).config, os.environ)
    except ConfigError:  # a broken one completes to nothing
        return None


def _state() -> State | None:
    from webraid.config import places
    from webraid.env import Env
    from webraid.jobs.browsing.browse_offline import known_state

    try:
        return known_state(places(os.environ), Env())
    except WebRAIDError:  # a keypress is no place for complaints: the command itself will tell
        return None


def _shots() -> list[Shot]:
    state = _state()
    return sorted(state.shots, key=lambda shot: shot.order, reverse=True) if state else []


def _fitting(words: Iterable[tuple[str, str]], incomplete: str) -> list[tuple[str, str]]:
    return [(word, text) for word, text in dict(words).items() if word.startswith(incomplete)]


# ---------------------------------------------------------------------------------------------------------- the words
def disk_names(incomplete: str) -> list[str]:
    """The disks in the config file, or, where it names none, those of the log."""
    config = _config()
    names = [disk.name for disk in config.disks] if config else []
    return [name for name in names if name.startswith(incomplete)]


def kind_names(incomplete: str) -> list[str]:
    """The kinds that are installed."""
    from webraid.backend.registry import kinds

    return [kind for kind in kinds() if kind.startswith(incomplete)]


def snapshot_names(incomplete: str) -> list[tuple[str, str]]:
    """'latest' and the ids, newest first; after a ':' what was put in that snapshot."""
    from webraid.cli.words import moment

    shots = _shots()
    name, colon, _ = incomplete.partition(":")
    if colon:
        found = [shot for shot in shots if name == "latest" or shot.id.hex().startswith(name)][:1]
        roots = [root for shot in found for root in shot.info.roots]
        return _fitting(
            ((f"{name}:{_text(root.name)}", _text(root.origin)) for root in roots), incomplete
        )  # fmt: skip
    told = [
        (shot.name, f"{moment(shot.info.time_ms)}  {shot.info.host}  {_paths(shot)}{_tags(shot)}") for shot in shots
    ]
    return _fitting([("latest", "the newest"), *told], incomplete)


def _paths(shot: Shot) -> str:
    return " ".join(_text(root.origin) for root in shot.info.roots)


def _tags(shot: Shot) -> str:
    return f"  ({', '.join(shot.info.tags)})" if shot.info.tags else ""


def _text(raw: bytes) -> str:
    from webraid.cli.words import safe

    return safe(os.fsdecode(raw))


def host_names(incomplete: str) -> list[tuple[str, str]]:
    """The machines that have made snapshots."""
    return _fitting(((shot.info.host, "") for shot in _shots()), incomplete)


def tag_names(incomplete: str) -> list[tuple[str, str]]:
    """The tags of the snapshots; after a ',' one more."""
    before, comma, _ = incomplete.rpartition(",")
    return _fitting(((f"{before}{comma}{tag}", "") for shot in _shots() for tag in shot.info.tags), incomplete)


def source_names(incomplete: str) -> list[tuple[str, str]]:
    """The [[source]]s of the config file."""
    config = _config()
    sources = getattr(config, "sources", ())
    return _fitting(((source.name, " ".join(source.paths)) for source in sources), incomplete)


def profile_names(incomplete: str) -> list[str]:
    """The profiles of the config file."""
    config = _config()
    return [name for name in (config.profiles if config else ()) if name.startswith(incomplete)]


def device_names(incomplete: str) -> list[tuple[str, str]]:
    """The machines of the pool."""
    state = _state()
    there = [device for device in state.devices.values() if not device.evicted] if state else []
    return _fitting(((device.name, ", ".join(device.rights)) for device in there), incomplete)


def level_names(incomplete: str) -> list[tuple[str, str]]:
    """Levels that are asked for often."""
    return _fitting(LEVELS.items(), incomplete)


# ------------------------------------------------------------------------------------------------ who completes to what
BY_OPTION: dict[str, Callable[[str], Words]] = {
    "--level": level_names, "--host": host_names, "--tag": tag_names, "--keep-tag": tag_names,
    "--source": source_names, "--backend": disk_names, "--onto": disk_names, "--disk": disk_names,
    "--parent": snapshot_names, "--snapshot": snapshot_names, "-P": profile_names,
}  # fmt: skip
BY_METAVAR: dict[str, Callable[[str], Words]] = {
    "SNAP": snapshot_names, "DISK": disk_names, "SOURCE": source_names, "LEVEL": level_names, "TAG": tag_names,
    "KIND": kind_names, "DEVICE": device_names,
}  # fmt: skip


def attach(parameters: Iterable[Any]) -> None:
    """Give every parameter that has no completion of its own the one that its name asks for."""
    for parameter in parameters:
        if getattr(parameter, "_custom_shell_complete", None) is None:
            words = _words_for(parameter)
            if words is not None:
                _complete_with(parameter, words)


def _words_for(parameter: Any) -> Callable[[str], Words] | None:
    for spelled in parameter.opts:
        if spelled in BY_OPTION:
            return BY_OPTION[spelled]
    metavar = parameter.metavar or ""
    if _CHOICE.fullmatch(metavar):
        return lambda incomplete: [word for word in metavar.split("|") if word.startswith(incomplete)]
    named = _NAMES.findall(metavar)
    return next((words for name, words in BY_METAVAR.items() if name in named), None)


def _complete_with(parameter: Any, words: Callable[[str], Words]) -> None:
    """Typer takes this only where an option is declared, which is in a dozen files, not where all are known."""
    from typer.core import _typer_param_setup_autocompletion_compat as setup

    setup(parameter, autocompletion=lambda ctx, args, incomplete: list[Any](words(incomplete)))


def answer_plainly() -> None:
    """Typer prints what a word is as Rich markup, wrapped at 80 columns: a long path would be a word of its own."""
    from typer._click.shell_completion import add_completion_class
    from typer._completion_classes import FishComplete

    class Plain(FishComplete):
        def format_completion(self, item: Any) -> str:
            return f"{item.value}\t{' '.join(item.help.split())}" if item.help else str(item.value)

    add_completion_class(Plain, "fish")
