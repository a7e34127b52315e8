"""Writing runs: pins, packs, commit, and what an interrupted one left."""
