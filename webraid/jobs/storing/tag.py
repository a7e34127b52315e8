"""tag: the tags of snapshots are changed.  The snapshots keep their ids; the log says what their tags are now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from webraid.errors import ConfigError
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.idle import keep_alive
from webraid.jobs.base.snapshots import EVERY, Which, chosen, look
from webraid.table.fold import FORGET, Shot
from webraid.table.records import Retag

IN_RECORD = 500  # snapshots that one record tells of


@dataclass(frozen=True, slots=True)
class Retagged:
    """A snapshot with its tags before and now."""

    shot: Shot
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What shall become of tags: ``exact`` replaces all of them (None: it does not), else ``add`` and ``remove``."""

    exact: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @classmethod
    def of(cls, exact: Iterable[str] = (), add: Iterable[str] = (), remove: Iterable[str] = ()) -> Change:
        """From the words of a command line: 'a,b' are two; --set '' leaves none.  Raises ConfigError."""
        exact = list(exact)
        change = cls(_words(exact) if exact else None, _words(add), _words(remove))
        if change.exact is None and not change.add and not change.remove:
            raise ConfigError("which tags?", hint="Give --add TAG, --remove TAG or --set TAG.")
        if change.exact is not None and (change.add or change.remove):
            raise ConfigError("--set replaces all tags; it cannot stand beside --add or --remove")
        return change

    def to(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The tags after it."""
        if self.exact is not None:
            return self.exact
        return tuple(dict.fromkeys(tag for tag in (*tags, *self.add) if tag not in self.remove))


def require_text(text: str) -> str:
    """The text, if the log can hold it.  Raises ConfigError for bytes of a command line that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise ConfigError(f"{shown!r} is no text: tags and names of machines are UTF-8") from None
    return text


def _words(texts: Iterable[str]) -> tuple[str, ...]:
    words = [word.strip() for text in texts for word in require_text(text).split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def tag(
    ctx: Context, change: Change, names: Sequence[str] = (), *, which: Which = EVERY, dry_run: bool = False
) -> list[Retagged]:
    """Change the tags of the snapshots ``names``, or of all of ``which``; returns those whose tags are others now.

    Raises NotInTable, RightMissing, QuorumLost, PoolBusy.
    """
    if dry_run:
        look(ctx)
        return _changed(ctx, change, names, which)
    with locked(ctx.settings.places):
        ctx.open_table(spot=True)
        ctx.table.require_quorum()
        ctx.require_right(FORGET)
        changed = _changed(ctx, change, names, which)
        for start in range(0, len(changed), IN_RECORD):
            part = changed[start : start + IN_RECORD]
            ctx.table.append(*[Retag(snapshot=item.shot.id, tags=item.tags) for item in part])
        if changed:
            keep_alive(ctx)
            ctx.table.flush(ctx.config.limits.patience)
    return changed


def _changed(ctx: Context, change: Change, names: Sequence[str], which: Which) -> list[Retagged]:
    found = [Retagged(shot, change.to(shot.info.tags)) for shot in chosen(ctx, names, which)]
    return [item for item in found if item.tags != item.shot.info.tags]
