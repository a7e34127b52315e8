"""From files to snapshots: put, sources, tags."""
