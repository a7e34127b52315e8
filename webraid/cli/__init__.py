"""The command line: one command (or small family) a file; app.py puts them together, render/ shows them to people."""
