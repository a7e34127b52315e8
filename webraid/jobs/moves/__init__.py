"""Shards on their way to other disks and levels: rebuild, replace, drain, rebalance, relevel."""
