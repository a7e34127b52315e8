"""One verb a file: everything a pool can do."""
