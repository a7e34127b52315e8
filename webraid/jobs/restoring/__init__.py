"""From snapshots to files: get, cat, the restore drill."""
