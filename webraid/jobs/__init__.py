"""Everything a pool can do, one verb a file; in rooms, each of which uses only those below it (pyproject.toml)."""
