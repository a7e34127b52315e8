"""Secrets: renewed ones are kept, and never shown."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from webraid.backend.login import Secrets


def test_a_renewed_secret_is_used_at_once_and_kept_once() -> None:
    kept: list[Mapping[str, str]] = []
    secrets = Secrets({"token": "old", "key": "k"}, keep=kept.append)
    secrets.renew({"token": "new"})
    secrets.renew({"token": "new"})
    assert dict(secrets) == {"token": "new", "key": "k"} == kept[0]
    assert len(kept) == 1


def test_a_secret_that_could_not_be_kept_is_kept_the_next_time() -> None:
    kept: list[Mapping[str, str]] = []

    def keep(values: Mapping[str, str]) -> None:
        kept.append(values)
        if len(kept) == 1:
            raise OSError("no space left")

    secrets = Secrets({"token": "old"}, keep=keep)
    with pytest.raises(OSError, match="space"):
        secrets.renew({"token": "new"})
    secrets.renew({"token": "new"})
    assert len(kept) == 2 and secrets["token"] == "new"


def test_secrets_do_not_show_themselves() -> None:
    assert repr(Secrets({"token": "hush"})) == "Secrets(token)"
