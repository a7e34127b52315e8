"""Extended attributes read; owner, mode, attributes, ACLs and times written, in the one order that keeps them all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from webraid.entry import Entry, EntryType
from webraid.files.owners import Owners
from webraid.files.problem import words

HAS_XATTRS = hasattr(os, "listxattr")  # Linux only
ACL_PREFIX = b"system.posix_acl_"
_PRIVILEGED = (b"trusted.", b"security.")
_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.ENOSYS})
_NONE_LEFT = frozenset({errno.ENODATA, errno.ENOENT, *_UNSUPPORTED})
_SET_ID = stat.S_ISUID | stat.S_ISGID

TYPES = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIR,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFIFO: EntryType.FIFO,
    stat.S_IFCHR: EntryType.CHAR,
    stat.S_IFBLK: EntryType.BLOCK,
    stat.S_IFSOCK: EntryType.SOCKET,
}

Note = Callable[[str], None]


def kept_xattr(name: bytes, privileged: bool) -> bool:
    """Whether an attribute is stored: the user's own and ACLs always, trusted.* and security.* as root."""
    return name.startswith((b"user.", ACL_PREFIX)) or (privileged and name.startswith(_PRIVILEGED))


def read_xattrs(where: bytes | int, *, privileged: bool) -> tuple[tuple[bytes, bytes], ...]:
    """The attributes worth keeping, sorted; never those of a symlink's target.  Raises OSError (ENOTSUP, EACCES...)."""
    follow = isinstance(where, int)
    names = os.listxattr(where, follow_symlinks=follow)
    if not names:
        return ()
    found: list[tuple[bytes, bytes]] = []
    for text in names:
        name = os.fsencode(text)
        if not kept_xattr(name, privileged):
            continue
        try:
            found.append((name, os.getxattr(where, name, follow_symlinks=follow)))
        except OSError as error:
            if error.errno != errno.ENODATA:  # ENODATA: taken away between the two calls
                raise
    return tuple(sorted(found))


class Metadata:
    """Gives restored things what their entries say.

    ``apply`` takes a descriptor, or a path whose last part is not followed.  What only root may do, or what the file
    system does not know, goes to ``on_note``; anything else that fails is raised as OSError.
    """

    def __init__(self, *, numeric_ids: bool, on_note: Note) -> None:
        self._numeric = numeric_ids
        self._note = on_note
        self._owners = Owners()
        self._root = os.geteuid() == 0

    def apply(self, entry: Entry, where: int | bytes) -> None:
        """Owner, attributes, mode, ACLs, times, in this order.

        chown clears setuid and security.capability, chmod rewrites the ACL's mask, and all of them come before the
        times so that nothing touches those any more.
        """
        follow = isinstance(where, int)
        now = os.stat(where, follow_symlinks=follow)
        owned = self._set_owner(entry, where, now)
        self._set_xattrs(entry, where, acl=False)
        if entry.type is not EntryType.SYMLINK:
            self._set_mode(entry, where, owned)
            self._drop_inherited_acl(entry, where)
            self._set_xattrs(entry, where, acl=True)
        os.utime(where, ns=(entry.atime_ns, entry.mtime_ns), follow_symlinks=follow)

    def wanted_owner(self, entry: Entry) -> tuple[int, int]:
        """(uid, gid) on this machine: by name where it has one of that name, else by number."""
        if self._numeric:
            return entry.uid, entry.gid
        uid = self._owners.uid(entry.user) if entry.user else None
        gid = self._owners.gid(entry.group) if entry.group else None
        return entry.uid if uid is None else uid, entry.gid if gid is None else gid

    def _set_owner(self, entry: Entry, where: int | bytes, now: os.stat_result) -> bool:
        """True when owner and group are as wanted afterwards."""
        wanted = self.wanted_owner(entry)
        if wanted == (now.st_uid, now.st_gid):
            return True
        follow = isinstance(where, int)
        try:
            if self._root:
                os.chown(where, *wanted, follow_symlinks=follow)
                return True
            if wanted[1] != now.st_gid:
                os.chown(where, -1, wanted[1], follow_symlinks=follow)
                return wanted[0] == now.st_uid
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES, errno.EINVAL, *_UNSUPPORTED):
                raise
            self._note(f"owner or group not set: {words(error)}")
            return False
        self._note("owner not set: only root may give files away")
        return False

    def _set_mode(self, entry: Entry, where: int | bytes, owned: bool) -> None:
        mode = entry.mode
        # a set-id bit hands out the rights of whoever owns the file *here*: only with the owner it was meant for
        kept = owned and (self._root or entry.type is EntryType.DIR)
        if mode & _SET_ID and not kept:
            mode &= ~_SET_ID
            self._note("setuid or setgid not set: only root may, and only with the owner the file had")
        if isinstance(where, int):
            os.chmod(where, mode)
        else:
            chmod_nofollow(where, mode, entry.type)

    def _set_xattrs(self, entry: Entry, where: int | bytes, *, acl: bool) -> None:
        for name, value in entry.xattrs:
            if name.startswith(ACL_PREFIX) != acl or not self._may_set(name):
                continue
            try:
                os.setxattr(where, name, value, follow_symlinks=isinstance(where, int))
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    self._note("extended attributes or ACLs not set: the file system has none")
                elif error.errno == errno.EPERM:
                    self._note("extended attributes not set: not permitted")
                else:
                    raise

    def _may_set(self, name: bytes) -> bool:
        if kept_xattr(name, self._root) and HAS_XATTRS:
            return True
        self._note("trusted and security attributes not set: only root may")
        return False

    def _drop_inherited_acl(self, entry: Entry, where: int | bytes) -> None:
        """A folder with a default ACL hands one to all that is made in it; what had none must not keep it."""
        if not HAS_XATTRS:
            return
        wanted = {name for name, _ in entry.xattrs}
        follow = isinstance(where, int)
        try:
            for text in os.listxattr(where, follow_symlinks=follow):
                name = os.fsencode(text)
                if name.startswith(ACL_PREFIX) and name not in wanted:
                    os.removexattr(where, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NONE_LEFT:
                raise


def chmod_nofollow(path: bytes, mode: int, kind: EntryType) -> None:
    """chmod of what can't be opened, or should not be, and must not be followed when it turns out to be a symlink.

    Raises OSError; ESTALE when it is not of that kind.
    """
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        if TYPES.get(stat.S_IFMT(os.fstat(fd).st_mode)) is not kind:
            raise OSError(errno.ESTALE, "replaced meanwhile")
        os.chmod(b"/proc/self/fd/%d" % fd, mode)
    finally:
        os.close(fd)
