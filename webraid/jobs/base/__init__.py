"""What every job stands on: the context with its disks and table, reading, pages, names of snapshots."""
