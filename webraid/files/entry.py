"""What a snapshot keeps of one file, as the rest of this package sees it (the types live in webraid/entry.py)."""

from __future__ import annotations

from webraid.entry import Entry, EntryType, sort_key
from webraid.files.sparse import extents, stream_length, stream_to_file

__all__ = ["Entry", "EntryType", "extents", "sort_key", "stream_length", "stream_to_file"]
