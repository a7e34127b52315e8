"""What all instances of an account share in this process: its token and its committing thread."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Any

from webraid.backend.mapping import mapped
from webraid.errors import BackendError
from webraid_dropbox.client import Token, make_client
from webraid_dropbox.codes import from_union
from webraid_dropbox.commits import Committer
from webraid_dropbox.errors import ERRORS
from webraid_dropbox.options import DropboxOptions

Key = tuple[int, str, str, str]

_LOCK = threading.Lock()
_ACCOUNTS: dict[Key, Account] = {}


class Account:
    """Made by ``join`` for the first instance, forgotten after ``leave`` of the last."""

    def __init__(self, key: Key, options: DropboxOptions, refresh: str) -> None:
        self.key = key
        self.users = 0
        self.token = Token(refresh)
        self.committer: Committer[Any, Any] = Committer(self._commit, self._stop)
        self._options = options
        self._client: Any = None

    def _commit(self, entries: Sequence[Any]) -> list[Any]:
        """On the committing thread: FileMetadata or a BackendError for each UploadSessionFinishArg."""
        with mapped(ERRORS):
            if self._client is None:
                self._client = make_client(self._options, self.token)
            answer = self._client.files_upload_session_finish_batch_v2(list(entries))
            return [_result(entry) for entry in answer.entries]

    def _stop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _result(entry: Any) -> Any | BackendError:
    return entry.get_success() if entry.is_success() else from_union(entry.get_failure())


def join(options: DropboxOptions, refresh: str) -> Account:
    """The account of ``options``; a newer login replaces the one that it had."""
    known = options.account or hashlib.sha256(refresh.encode()).hexdigest()
    key = (os.getpid(), options.endpoint, options.app_key, known)  # a fork must not share threads and connections
    with _LOCK:
        account = _ACCOUNTS.get(key)
        if account is None:
            account = _ACCOUNTS[key] = Account(key, options, refresh)
        account.users += 1
    account.token.renew(refresh)  # after the lock: it may have to wait for somebody's request
    return account


def leave(account: Account) -> None:
    """One instance less; the last one ends the committing thread."""
    with _LOCK:
        account.users -= 1
        if account.users == 0:
            _ACCOUNTS.pop(account.key, None)
            account.committer.close()
