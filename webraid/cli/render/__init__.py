"""Output for people.  The only place that knows rich: everything that draws is in this folder."""

from __future__ import annotations

from webraid.cli.render.front import Front
from webraid.cli.render.summaries import Summaries


class Screen(Summaries, Front):
    """Everything that can be shown."""


__all__ = ["Screen"]
