"""Pure bytes: chunks, keys, seals, packs, parity, shards, records.  No network, no files, no clock in here."""

from __future__ import annotations

Bytes = bytes | bytearray | memoryview
