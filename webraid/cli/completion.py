"""completion: the shells' completion scripts, and what some words complete to."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError

SHELLS = ("bash", "zsh", "fish")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "completion")(completion)


def completion(
    call: Invocation,
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", show_default=False, help="Your shell.")],
) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      webraid completion bash > ~/.local/share/bash-completion/completions/webraid
      webraid completion zsh > ~/.zfunc/_webraid
      webraid completion fish > ~/.config/fish/completions/webraid.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # there, but not in its __all__

    if shell not in SHELLS:
        raise ConfigError(f"there is no completion for {shell!r}", hint=f"Known: {', '.join(SHELLS)}.")
    typer.echo(get_completion_script(prog_name="webraid", complete_var="_WEBRAID_COMPLETE", shell=shell))


def disk_names(incomplete: str) -> list[str]:
    """The disks in the config file; a broken one completes to nothing."""
    from webraid.config import load, places

    try:
        names = [disk.name for disk in load(places(os.environ).config, os.environ).disks]
    except ConfigError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def kind_names(incomplete: str) -> list[str]:
    """The kinds that are installed."""
    from webraid.backend.registry import kinds

    return [kind for kind in kinds() if kind.startswith(incomplete)]


def snapshot_names(incomplete: str) -> list[str]:
    """Only 'latest': asking the disks would be too slow for a keypress."""
    return ["latest"] if "latest".startswith(incomplete) else []
