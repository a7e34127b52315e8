"""What is stored: one big file, photo-like files, many small files; and whether it came back as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.process import BenchError, WrongAnswer

_BLOCK = 1 << 20
_LARGEST_SMALL = 1 << 20


@dataclass(slots=True)
class Corpus:
    """A folder.  ``digests``: SHA-256 of every file by its path in the folder; ``size``: bytes of all files."""

    name: str
    title: str
    folder: Path
    size: int = 0
    digests: dict[str, bytes] = field(default_factory=dict)

    def learn(self) -> Corpus:
        """Take in what is there now."""
        self.digests = digests(self.folder)
        self.size = sum(path.stat().st_size for path in files(self.folder))
        return self


def files(folder: Path) -> Iterator[Path]:
    """All regular files below a folder."""
    for where, _, names in os.walk(folder):
        for name in names:
            yield Path(where, name)


def digests(folder: Path) -> dict[str, bytes]:
    """SHA-256 of every file by its path in the folder."""
    found = {}
    for path in files(folder):
        with path.open("rb") as content:
            found[str(path.relative_to(folder))] = hashlib.file_digest(content, "sha256").digest()
    return found


def compare(corpus: Corpus, restored: Path, who: str) -> None:
    """Raises WrongAnswer unless ``restored`` holds exactly the corpus's files."""
    found = digests(restored)
    if found == corpus.digests:
        return
    lost = corpus.digests.keys() - found.keys()
    other = [path for path in corpus.digests.keys() & found.keys() if corpus.digests[path] != found[path]]
    raise WrongAnswer(
        f"{who} gave a wrong answer for {corpus.title}: {len(lost)} files missing, {len(other)} different, "
        f"{len(found.keys() - corpus.digests.keys())} that were never stored"
    )


def random_file(path: Path, size: int, seed: int | str) -> None:
    """``size`` bytes that nothing can compress; the same for the same seed."""
    source = Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        for at in range(0, size, _BLOCK):
            out.write(source.randbytes(min(_BLOCK, size - at)))


def big(folder: Path, size: int) -> Corpus:
    """A: one incompressible file."""
    random_file(folder / "big.bin", size, "A")
    return Corpus("A", f"one file of {size / 1e6:.0f} MB", folder).learn()


def photos(folder: Path, count: int, least: int, most: int) -> Corpus:
    """C: ``count`` incompressible files of ``least`` to ``most`` bytes, 50 a folder."""
    sizes = Random("C")
    for number in range(count):
        name = f"{number // 50:03}/img-{number:05}.jpg"
        random_file(folder / name, sizes.randint(least, most), f"C{number}")
    return Corpus("C", f"{count} photo-like files", folder).learn()


def library(folder: Path, most: int) -> Corpus:
    """B: up to ``most`` small files of Python's own library and of what is installed beside it."""
    paths = sysconfig.get_paths()
    count = 0
    for root in dict.fromkeys(Path(paths[name]) for name in ("stdlib", "purelib")):
        for path in _small_files(root):
            if count == most:
                break
            copy = folder / f"{root.parent.name}-{root.name}" / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            count += 1
    if not count:
        raise BenchError("Python's own library was not found on this machine")
    return Corpus("B", f"{count} small files", folder).learn()


def _small_files(root: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST_SMALL:
                yield path
