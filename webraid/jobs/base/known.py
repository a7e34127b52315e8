"""Whether a chunk need not be stored again: some pack has it that is healthy, safe enough and not condemned."""

from __future__ import annotations

from collections.abc import Sequence

from webraid.array.tolerance import pack_tolerance
from webraid.jobs.base.context import Context
from webraid.jobs.base.reading import with_good_homes
from webraid.model import PackKind


class Known:
    """Answers for one run; remembers its answers.  ``losses``: how many lost disks the level asked for survives."""

    def __init__(self, ctx: Context, losses: int) -> None:
        self._ctx = ctx
        self._losses = losses
        self._bad = ctx.index.bad()
        self._domains = ctx.domains()
        self._packs: dict[bytes, bool] = {}
        self._chunks: dict[bytes, bytes] = {}

    def __call__(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Chunk id -> pack that may be used for it, for those that have one."""
        missing = [chunk for chunk in dict.fromkeys(ids) if chunk not in self._chunks]
        for chunk, found in self._ctx.index.find(missing).items():
            usable = next((pack for pack, _ in found if self._usable(pack)), None)
            if usable is not None:
                self._chunks[chunk] = usable
        return {chunk: self._chunks[chunk] for chunk in ids if chunk in self._chunks}

    def _usable(self, pack_id: bytes) -> bool:
        if pack_id not in self._packs:
            self._packs[pack_id] = self._judge(pack_id)
        return self._packs[pack_id]

    def _judge(self, pack_id: bytes) -> bool:
        pack = self._ctx.index.pack(pack_id)
        if pack is None or pack.kind is not PackKind.DATA or pack_id in self._ctx.table.state.condemned:
            return False
        if pack.geometry.m < self._losses:
            return False
        spare = 1 if pack.geometry.m else 0
        return pack_tolerance(with_good_homes(self._ctx, pack, self._bad), self._domains) >= spare
