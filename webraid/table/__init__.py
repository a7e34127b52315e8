"""The file table: signed logs, quorums, tree pages, index, and this machine's cache of them."""
