"""config check, show, path: the config file as webraid understands it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli.config_values import COMPARE, troubles
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.cli.words import many
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.config import Config, DiskSection

HIDDEN = "(secret)"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "config", "The config file.")
    command(group, "check")(check)
    command(group, "show")(show)
    command(group, "path")(path)
    command(group, "secrets")(secrets)


def check(call: Invocation) -> None:
    """Check the config file.

    All of it, and the secrets beside it; no disk is asked.

    \b
    Example:
      webraid config check
    """
    try:
        loaded = _load(call)
        wrong = [*troubles(loaded, call.environ), *_of_kinds(call, loaded)]
    except ConfigError as error:
        if error.hint != ConfigError.default_hint:
            raise
        raise type(error)(str(error), hint=COMPARE) from error  # that hint names this very command
    if wrong:
        told = [str(error) for error in wrong]
        file = f"{call.places.config}:"
        text = f"{file} {told[0]}" if len(told) == 1 else "\n  ".join([f"{file} {len(told)} values are wrong", *told])
        hint = wrong[0].hint if len({error.hint for error in wrong}) == 1 else COMPARE
        raise ConfigError(text, hint=COMPARE if hint == ConfigError.default_hint else hint)
    call.summary(
        lambda: summary("config check", config=str(call.places.config), backends=len(loaded.disks)),
        lambda screen: screen.line(f"{call.places.config} is fine."),
    )


def _of_kinds(call: Invocation, loaded: Config) -> list[ConfigError]:
    """What is wrong with the options of the disks' own kinds, and with their secrets."""
    from webraid.backend.registry import load, make_options
    from webraid.config import expand
    from webraid.jobs.base.vault import vault_of

    found = []
    secrets = vault_of(call.settings, loaded).all(disk.name for disk in loaded.disks)
    for disk in loaded.disks:
        try:
            given = {key: expand(v, call.environ) if isinstance(v, str) else v for key, v in disk.options.items()}
            make_options(load(disk.kind), {**given, **secrets.get(disk.name, {})})
        except ConfigError as error:
            found.append(ConfigError(f"disk {disk.name}: {error}", hint=error.hint))
    return found


def show(call: Invocation) -> None:
    """Show what is in force.

    That is the config file with what a profile, the environment and flags override.  Secrets are not shown.

    \b
    Example:
      webraid config show
    """
    loaded = _load(call)
    sections, profiles = _sections(loaded), _profiles(loaded)
    flat = {f"profile.{name}.{key}": values for name, own in profiles.items() for key, values in own.items()}
    head = [f"# profile in force: {loaded.profile}", ""] if loaded.profile else []
    call.show(
        lambda: summary("config show", **sections, profile=profiles, profile_in_force=loaded.profile),
        lambda screen: screen.lines([*head, *_toml({**sections, **flat})]),
    )


def path(call: Invocation) -> None:
    """Say where the config file is.

    \b
    Example:
      $EDITOR "$(webraid config path)"
    """
    places = call.places
    call.show(
        lambda: summary(
            "config path",
            config=str(places.config),
            secrets=str(places.secrets),
            state=str(places.state),
            cache=str(places.database) if places.database else None,
        ),
        lambda screen: typer.echo(places.config),
    )


def secrets(
    call: Invocation,
    store: Annotated[str, typer.Argument(metavar="file|keyring", show_default=False, help="Where to keep them.")],
) -> None:
    """Keep the disks' secrets in a file or in the keyring.

    They move there, and stay there for every disk that is added.  The file is secrets.toml beside the config file,
    mode 0600.  The desktop's keyring is locked while nobody is logged in: a run from cron finds it closed.

    \b
    Example:
      webraid config secrets keyring
    """
    from webraid.jobs.base.vault import STORES, vault_of

    if store not in STORES:
        raise ConfigError(f"secrets cannot be kept in {store!r}", hint=f"Known: {', '.join(STORES)}.")
    loaded = _load(call)
    count = vault_of(call.settings, loaded).move(store, [disk.name for disk in loaded.disks])
    where = "the keyring" if store == "keyring" else str(call.places.secrets)
    call.summary(
        lambda: summary("config secrets", store=store, backends=count),
        lambda screen: screen.line(f"The secrets of {many(count, 'disk')} are in {where}."),
    )


def _load(call: Invocation) -> Config:
    from webraid.config import load

    return load(call.places.config, call.environ)


def _sections(loaded: Config) -> dict[str, Any]:
    import msgspec

    from webraid.config import SECTIONS

    shown: dict[str, Any] = {name: msgspec.to_builtins(getattr(loaded, name)) for name in SECTIONS}
    shown["notify"] = _without_addresses(shown["notify"])
    shown["source"] = [msgspec.to_builtins(source) for source in loaded.sources]
    shown["disk"] = [_disk(disk) for disk in loaded.disks]
    return shown


def _profiles(loaded: Config) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        name: {key: _without_addresses(values) if key == "notify" else dict(values) for key, values in own.items()}
        for name, own in loaded.profiles.items()
    }


def _without_addresses(notify: Mapping[str, Any]) -> dict[str, Any]:
    """Whoever knows such an address may write to it."""
    hidden = {
        "healthchecks": HIDDEN if notify.get("healthchecks") else "",
        "apprise": [HIDDEN for _ in notify.get("apprise", ())],
    }
    return {key: hidden.get(key, value) for key, value in notify.items()}


def _disk(disk: DiskSection) -> dict[str, Any]:
    common = {
        "name": disk.name, "kind": disk.kind, "domain": disk.domain, "capacity": disk.capacity,
        "reserve": disk.reserve, "threads": disk.threads, **disk.manners,
    }  # fmt: skip
    hidden = _secret_names(disk.kind)
    options = {key: HIDDEN if key.replace("-", "_") in hidden else value for key, value in disk.options.items()}
    return {**{key: value for key, value in common.items() if value is not None}, **options}


def _secret_names(kind: str) -> set[str]:
    from webraid.backend.registry import load, options_of

    return {option.name for option in options_of(load(kind)) if option.secret}


def _toml(sections: Mapping[str, Any]) -> Iterator[str]:
    for name, content in sections.items():
        for table in content if isinstance(content, list) else [content]:
            yield f"[[{name}]]" if isinstance(content, list) else f"[{name}]"
            yield from (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())
            yield ""
