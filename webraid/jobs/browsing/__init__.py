"""Looking into snapshots: a tree for mounts, find, diff, du."""
