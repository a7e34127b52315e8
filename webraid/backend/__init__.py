"""What a disk is to us: the interface, the registry of kinds, wrappers, doubles, threads, health."""
