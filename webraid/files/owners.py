"""Names of users and groups, looked up once each."""

from __future__ import annotations

import grp
import pwd


class Owners:
    """Number <-> name of this machine's users and groups; '' or None where there is none."""

    def __init__(self) -> None:
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}
        self._uids: dict[str, int | None] = {}
        self._gids: dict[str, int | None] = {}

    def user(self, uid: int) -> str:
        """The user's name, '' where this machine knows none."""
        name = self._users.get(uid)
        if name is None:
            try:
                name = pwd.getpwuid(uid).pw_name
            except (KeyError, OverflowError):
                name = ""
            self._users[uid] = name
        return name

    def group(self, gid: int) -> str:
        """The group's name, '' where this machine knows none."""
        name = self._groups.get(gid)
        if name is None:
            try:
                name = grp.getgrgid(gid).gr_name
            except (KeyError, OverflowError):
                name = ""
            self._groups[gid] = name
        return name

    def uid(self, name: str) -> int | None:
        """The number of a user of this machine."""
        if name not in self._uids:
            try:
                self._uids[name] = pwd.getpwnam(name).pw_uid
            except (KeyError, ValueError):  # ValueError: a NUL or a lone surrogate in a hostile name
                self._uids[name] = None
        return self._uids[name]

    def gid(self, name: str) -> int | None:
        """The number of a group of this machine."""
        if name not in self._gids:
            try:
                self._gids[name] = grp.getgrnam(name).gr_gid
            except (KeyError, ValueError):
                self._gids[name] = None
        return self._gids[name]
