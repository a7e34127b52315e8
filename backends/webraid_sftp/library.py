"""The one place that imports paramiko for use (errors.py names its exceptions)."""

from __future__ import annotations

import logging
from typing import Any

from webraid.errors import PluginMissing


def load() -> Any:
    """The library.  Raises PluginMissing."""
    try:
        import paramiko  # noqa: PLC0415  a tenth of a second that only open disks shall cost
    except ImportError as error:
        raise PluginMissing("sftp needs paramiko: pipx install --force '.[all]' in the checkout") from error
    log = logging.getLogger("paramiko")
    if not log.handlers:  # else it prints a traceback for each connection that fails, which we report anyway
        log.addHandler(logging.NullHandler())
    return paramiko
