"""Messages to people by Apprise: mail, phones, chats.  The library is imported when there is something to tell."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from webraid.config import Config
from webraid.errors import EXIT_BUSY, EXIT_OK
from webraid.unattended.record import LastRun


def wanted(config: Config, run: LastRun, before: LastRun | None, *, told: bool) -> bool:
    """Whether this end of a run is told, by [notify] when.  ``told``: whether it is a failure that people read of."""
    if not config.notify.apprise:
        return False
    match config.notify.when:
        case "always":
            return True
        case "change":
            return _failed(run) != _failed(before)
        case _:
            return told


def _failed(run: LastRun | None) -> bool:
    return run is not None and run.ended is not None and run.exit_code not in (EXIT_OK, EXIT_BUSY)


def tell(addresses: Sequence[str], title: str, body: str, *, failed: bool) -> str:
    """Send it to all.  Returns what went wrong, '' when nothing did.  Addresses hold passwords: none is repeated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what the library itself imports, also later on
        return _send(addresses, title, body, failed=failed)


def _send(addresses: Sequence[str], title: str, body: str, *, failed: bool) -> str:
    try:
        import apprise  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        return "it needs: pipx install --force '.[all]' in the checkout"
    messenger = apprise.Apprise()
    wrong = sum(not messenger.add(address) for address in addresses)
    kind = apprise.NotifyType.FAILURE if failed else apprise.NotifyType.SUCCESS
    understood = len(addresses) - wrong
    sent = not understood or messenger.notify(body=body, title=title, notify_type=kind)
    troubles = [f"{wrong} of {len(addresses)} addresses are none that Apprise understands"] if wrong else []
    return "; ".join(troubles + ([] if sent else ["not everybody could be reached"]))
