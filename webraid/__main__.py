"""``python -m webraid`` and the ``webraid`` command."""

from __future__ import annotations

import sys

from webraid.cli import app, complaints


def main() -> None:
    """Run the command line of this process and end it with its exit code."""
    if "--debug" not in sys.argv:
        sys.excepthook = complaints.surprise
    sys.exit(app.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
