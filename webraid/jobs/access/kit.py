"""The recovery kit: what the user keeps on paper, as text, as a page to print, and as a QR code on the terminal."""

from __future__ import annotations

import html
import io
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import segno

from webraid import config
from webraid.errors import ConfigError

TOOL = "python3 webraid_recover.py"  # restores from the disks' folders without webraid
QR_DISKS = 700  # characters of disks in the QR code at most: more, and a phone does not read it any more
_SHOWN = 300  # characters of one option


@dataclass(frozen=True, slots=True)
class Place:
    """A disk as somebody finds it again: ``command`` is what recovers from it.  No secret is in it."""

    name: str
    kind: str
    command: str


@dataclass(frozen=True, slots=True)
class Kit:
    """What the user must keep on paper.  ``date``: YYYY-MM-DD."""

    pool_name: str
    pool_id: str
    recovery_code: str = field(repr=False)
    date: str = ""
    disks: tuple[Place, ...] = ()

    def payload(self, *, disks: bool = True) -> str:
        """What the QR code says."""
        lines = ["WEBRAID RECOVERY KIT", f"code {self.recovery_code}", f"pool {self.pool_id}", f"name {self.pool_name}"]
        room = QR_DISKS
        for disk in self.disks if disks else ():
            room -= len(disk.command)
            if room >= 0:
                lines.append(disk.command)
        return "\n".join(lines)

    def text(self) -> str:
        """The page as plain text."""
        made = f"Made            {self.date}\n" if self.date else ""
        head = (
            f"WebRAID recovery kit\n====================\n\n"
            f"Pool            {self.pool_name}\n"
            f"Pool id         {self.pool_id}\n"
            f"Recovery code   {self.recovery_code}\n{made}\n"
        )
        steps = "".join(f"  {number}. {_indented(step)}\n" for number, step in enumerate(_STEPS, 1))
        body = f"{self._disks_text()}To bring everything back on an empty machine:\n{steps}\n{_plain(_WITHOUT)}\n"
        return f"{head}{_WARNING}\n\n{body}"

    def _disks_text(self) -> str:
        if not self.disks:
            return ""
        lines = [f"  {disk.name} ({disk.kind})\n    {disk.command}\n" for disk in self.disks]
        return "Its disks, and what recovers from each (any one will do):\n" + "".join(lines) + "\n"

    def page(self) -> str:
        """The page to print: one HTML file that needs nothing else."""
        code = segno.make(self.payload(), error="m", micro=False)
        shown = html.escape
        groups = self.recovery_code.split("-")
        steps = "".join(f"<li>{_marked(step)}</li>" for step in _STEPS)
        return _PAGE.format(
            name=shown(self.pool_name), id=shown(self.pool_id), date=shown(self.date or "-"),
            code=f"{'-'.join(groups[:4])}<br>{'-'.join(groups[4:])}", disks=self._disks_page(), steps=steps,
            warning=shown(_WARNING), without=_marked(_WITHOUT),
            qr=code.svg_inline(omitsize=True, border=2, title="Recovery code, pool and disks"),
        )  # fmt: skip

    def _disks_page(self) -> str:
        if not self.disks:
            return _NO_DISKS
        shown = html.escape
        rows = "".join(
            f"<tr><td>{shown(disk.name)}</td><td>{shown(disk.kind)}</td><td><code>{shown(disk.command)}</code></td></tr>"
            for disk in self.disks
        )
        return _DISKS.format(rows=rows)

    def qr(self) -> str:
        """The code and the pool as blocks for the terminal."""
        out = io.StringIO()
        segno.make(self.payload(disks=False), error="l", micro=False).terminal(out, border=2, compact=True)
        return out.getvalue()

    def write(self, path: Path) -> None:
        """Into a file of mode 0600: a page to print where its name ends in .html, else text.  Raises ConfigError."""
        refuse_existing(path)
        printed = path.suffix.lower() in (".html", ".htm")
        config.write_private(path.expanduser().absolute(), self.page() if printed else self.text())


def refuse_existing(path: Path) -> None:
    """Raises ConfigError when there is such a file already, or none can be made there: before anything is changed."""
    if path.expanduser().exists():
        raise ConfigError(f"{path} exists already", hint="A kit is never written over another one: choose a new name.")
    folder = path.expanduser().absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error.strerror) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(path, "permission denied")


def _unwritable(path: Path, why: str | None) -> ConfigError:
    return ConfigError(f"{path} cannot be written: {why or 'no reason is given'}", hint="Choose another place.")


def today(now: float) -> str:
    """The date of a kit, from seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def command_for(kind: str, options: Mapping[str, Any]) -> str:
    """The command that recovers from a disk with these options (secrets are none of them)."""
    words = ["webraid", "recover", kind]
    for key, value in options.items():
        flag = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, str | int | float) and str(value):
            words += [flag, str(value)[:_SHOWN]]
    return shlex.join(words)


_WARNING = (
    "Keep this page where your computer is not. Whoever has it and one of your\n"
    "disks can read everything; without it and without the passphrase nobody\n"
    "can, you included."
)
_STEPS = (
    (
        "Install WebRAID from its own source code, in a checkout of it:\n`pipx install '.[all]'`\n"
        "(never by name from a package index: WebRAID is on none)"
    ),
    (
        "Log in to any one of the disks:\n`webraid recover KIND --option ...`\n"
        "(for a folder: `webraid recover local --path FOLDER`)\nand give the passphrase, or this recovery code."
    ),
    "See what is there, and bring it back:\n`webraid snapshots`\n`webraid get latest -t FOLDER`",
)
_WITHOUT = (
    f"Without webraid: copy enough disks' folders to one machine and run\n`{TOOL} FOLDER... --to TARGET`\n"
    "That is tools/webraid_recover.py of the same source: one small program,\nwritten from the published format alone. "
    "It asks for the passphrase or\nthis recovery code, and needs only Python 3.11 and four libraries:\n"
    "`python3 -m pip install blake3 cryptography msgspec zstandard`\nKeep a copy of it with this page."
)


def _plain(text: str) -> str:
    return text.replace("`", "")


def _indented(step: str) -> str:
    return _plain(step).replace("\n", "\n       ")


def _marked(text: str) -> str:
    """Backquoted words as code, lines kept."""
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)).replace("\n", "<br>")


_DISKS = (
    "<h2>Its disks</h2><p>Any one of them leads to the others.</p><table><tr><th>Disk</th><th>Kind</th>"
    "<th>What recovers from it</th></tr>{rows}</table>"
)
_NO_DISKS = (
    "<h2>Its disks</h2><p>None yet. Print a new page with <code>webraid key kit kit.html</code> when you have added "
    'them, or write down here where they are:</p><div class="lines"></div>'
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>WebRAID recovery kit: {name}</title>
<style>
@page {{ margin: 16mm; }}
* {{ box-sizing: border-box; }}
body {{ font: 11pt/1.4 "DejaVu Sans", "Liberation Sans", Arial, sans-serif; color: #000; background: #fff;
       max-width: 178mm; margin: 8mm auto; padding: 0 4mm; }}
h1 {{ font-size: 20pt; margin: 0 0 2mm; }}
h2 {{ font-size: 13pt; margin: 6mm 0 1mm; border-bottom: 0.4mm solid #000; }}
p, ol {{ margin: 1mm 0; }}
li {{ margin-bottom: 1.5mm; }}
code {{ font: 10pt "DejaVu Sans Mono", "Liberation Mono", monospace; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: 1mm 2mm 1mm 0; border-bottom: 0.2mm solid #999; }}
td:last-child code {{ font-size: 8.5pt; }}
.head {{ display: flex; gap: 6mm; align-items: flex-start; }}
.head > div:first-child {{ flex: 1; }}
.head svg {{ width: 52mm; height: 52mm; }}
.code {{ font: bold 15pt/1.5 "DejaVu Sans Mono", "Liberation Mono", monospace; border: 0.5mm solid #000;
        padding: 2mm 3mm; margin: 2mm 0; letter-spacing: 0.3mm; }}
.facts td {{ border: 0; padding: 0.5mm 4mm 0.5mm 0; }}
.warning {{ font-weight: bold; }}
.lines {{ height: 24mm; background: repeating-linear-gradient(#fff 0 7.6mm, #999 7.6mm 7.8mm); }}
tr, li, .head {{ break-inside: avoid; }}
@media print {{ body {{ margin: 0; padding: 0; max-width: none; }} }}
</style>
</head>
<body>
<div class="head"><div>
<h1>WebRAID recovery kit</h1>
<table class="facts"><tr><td>Pool</td><td><b>{name}</b></td></tr>
<tr><td>Pool id</td><td><code>{id}</code></td></tr><tr><td>Made</td><td>{date}</td></tr></table>
<p>Recovery code</p>
<div class="code">{code}</div>
</div><div>{qr}</div></div>
<p class="warning">{warning}</p>
{disks}
<h2>To bring everything back on an empty machine</h2>
<ol>{steps}</ol>
<p>{without}</p>
</body>
</html>
"""
