"""Everything but files and folders: symlinks, FIFOs and devices made whole, hard links, and telling what is there."""

from __future__ import annotations

import errno
import os
import stat

from webraid.entry import Entry, EntryType
from webraid.files.part import NO_LINKS, Part, Site, found, put_in_place
from webraid.files.safepath import split
from webraid.files.sparse import extents

_FORMAT = {EntryType.FIFO: stat.S_IFIFO, EntryType.CHAR: stat.S_IFCHR, EntryType.BLOCK: stat.S_IFBLK}
_BLOCK = 1 << 20


def is_same(entry: Entry, was: os.stat_result, folder: int) -> bool:
    """Whether what is there is what the entry tells of; files are told by size and mtime.  ``folder``: descriptor."""
    mode = was.st_mode
    if entry.type is EntryType.FILE:
        return stat.S_ISREG(mode) and (was.st_size, was.st_mtime_ns) == (entry.size, entry.mtime_ns)
    if entry.type is EntryType.SYMLINK:
        return stat.S_ISLNK(mode) and os.readlink(split(entry.path)[1], dir_fd=folder) == entry.target
    if stat.S_IFMT(mode) != _FORMAT.get(entry.type):
        return False
    return entry.type is EntryType.FIFO or was.st_rdev == os.makedev(entry.rdev_major, entry.rdev_minor)


def make_special(entry: Entry, site: Site, *, replace: bool) -> tuple[int, int]:
    """Makes a symlink, FIFO or device with all its metadata, then puts it in place.  Returns (st_dev, st_ino).

    Raises OSError; nothing is left behind then.
    """
    folder_path, name = split(entry.path)
    part = site.part_name()
    with site.folders.at(folder_path) as folder:
        if entry.type is EntryType.SYMLINK:
            os.symlink(entry.target, part, dir_fd=folder)
        else:
            os.mknod(part, _FORMAT[entry.type] | 0o600, os.makedev(entry.rdev_major, entry.rdev_minor), dir_fd=folder)
        try:
            site.metadata.apply(entry, b"/proc/self/fd/%d/%s" % (folder, part))
            made = os.lstat(part, dir_fd=folder)
            put_in_place(folder, part, name, replace=replace)
        except OSError:
            os.unlink(part, dir_fd=folder)
            raise
    return made.st_dev, made.st_ino


def make_link(entry: Entry, first: bytes, identity: tuple[int, int], site: Site, *, replace: bool) -> bool:
    """Links ``entry`` to the thing restored at path ``first``; a file is copied where the file system has no links.

    Returns False when it had to be copied.  Raises OSError; ESTALE when ``first`` is no longer what was restored.
    """
    folder_path, name = split(entry.path)
    first_folder, first_name = split(first)
    with site.folders.at(first_folder) as source, site.folders.at(folder_path) as folder:
        now = found(source, first_name)
        if now is None or (now.st_dev, now.st_ino) != identity:
            raise OSError(errno.ESTALE, "replaced meanwhile")
        new = site.part_name() if replace else name
        try:
            os.link(first_name, new, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if entry.type is not EntryType.FILE or error.errno not in NO_LINKS:
                raise
            _copy(entry, source, first_name, site, replace=replace)
            return False
        if replace:
            _rename_link(folder, new, name)
    return True


def _rename_link(folder: int, part: bytes, name: bytes) -> None:
    try:
        put_in_place(folder, part, name, replace=True)
    finally:
        if found(folder, part) is not None:
            os.unlink(part, dir_fd=folder)  # it failed, or both names were the same file: rename() does nothing then


def settle_folder(entry: Entry, identity: tuple[int, int], site: Site) -> None:
    """Gives a folder its metadata, when all in it is done.  Raises OSError; ESTALE when it is another folder now."""
    with site.folders.at(entry.path) as passage:
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=passage)
    try:
        now = os.fstat(fd)
        if (now.st_dev, now.st_ino) != identity:
            raise OSError(errno.ESTALE, "replaced meanwhile")
        site.metadata.apply(entry, fd)
    finally:
        os.close(fd)


def settle_implied(path: bytes, site: Site) -> None:
    """Takes the mark of an unfinished folder from one that has no entry of its own; it stays its owner's alone."""
    with site.folders.at(path) as passage:
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=passage)
    try:
        os.chmod(fd, stat.S_IRWXU)
    finally:
        os.close(fd)


def _copy(entry: Entry, folder: int, name: bytes, site: Site, *, replace: bool) -> None:
    part = Part(entry, site, replace=replace)
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        for offset, length in extents(entry):
            for begin in range(offset, offset + length, _BLOCK):
                part.pwrite(os.pread(source, min(_BLOCK, offset + length - begin), begin), begin)
        part.land()
    except OSError:
        part.drop()
        raise
    finally:
        os.close(source)
