"""An account of yours as a subject: options and secrets from the environment, login, a scratch folder of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from webraid.backend.base import Backend
from webraid.backend.conformance import Subject, scratch_prefix
from webraid.backend.conformance.run import cleanup
from webraid.backend.login import Secrets
from webraid.backend.registry import load, make_options, options_of
from webraid.env import Env
from webraid.errors import ConfigError
from webraid.jobs.disks.login import Nobody


def given(kind: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Options of ``kind`` that the environment gives: WEBRAID_LIVE_<KIND>_<OPTION> is the value, the same with _FILE
    at its end a file that holds it.  Raises ConfigError where there are none."""
    prefix = f"WEBRAID_LIVE_{kind.upper().replace('-', '_')}_"
    known = {option.name for option in options_of(load(kind))}
    found: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        option = name.removeprefix(prefix).lower()
        if not name.startswith(prefix):
            continue
        if option not in known and option.endswith("_file"):
            found[option.removesuffix("_file")] = Path(value).read_text().strip()
        else:
            found[option] = value
    if not found:
        wanted = ", ".join(f"{prefix}{option.name.upper()}" for option in options_of(load(kind)) if option.required)
        raise ConfigError(f"no {prefix}... is set", hint=f"Set {wanted or prefix + '<OPTION>'}, see docs/testing.md.")
    return found


@contextlib.contextmanager
def live_subject(kind: str, environ: Mapping[str, str], folder: Path) -> Iterator[Subject]:
    """Logged in as webraid would be, nobody being asked; the scratch folder is removed at the end."""
    cls, env = load(kind), Env()
    options, plain = make_options(cls, given(kind, environ))
    secrets = Secrets(plain, disk="live", folder=folder)
    got = cls.login(options, secrets, Nobody(env))
    options, more = make_options(cls, {**_as_given(options, cls), **got.options})
    secrets.renew({**more, **got.secrets})
    with contextlib.closing(cls.connect(options, secrets)) as backend:
        backend.prepare()
        caps = backend.caps
    subject = Subject(
        open=lambda: cls.connect(options, secrets),
        caps=caps,
        prefix=scratch_prefix(env),
        env=env,
        secrets=tuple(value for value in secrets.values() if len(value) > 3),
        shown=(options, secrets),
        lag=300.0,
    )
    try:
        yield subject
    finally:
        cleanup(subject)


def _as_given(options: Any, cls: type[Backend]) -> dict[str, object]:
    """The options without the secrets among them, as a config file would hold them."""
    secret = {option.name for option in options_of(cls) if option.secret}
    return {one.name: getattr(options, one.name) for one in fields(options) if one.name not in secret}
