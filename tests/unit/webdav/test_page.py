"""docs/backends/webdav.md says of the providers what the code does."""

from __future__ import annotations

from tests.docs.pages import ROOT, table
from webraid.array.writer import SAMPLE
from webraid_webdav.chunks import CHUNK
from webraid_webdav.options import PRESETS
from webraid_webdav.upload import OLD, TEMPORARY

PAGE = (ROOT / "docs" / "backends" / "webdav.md").read_text()


def test_the_providers_are_those_of_the_code() -> None:
    rows = {row[0].strip("`"): row[1:] for row in table(PAGE, "## Providers")}
    assert list(rows) == list(PRESETS)
    for name, preset in PRESETS.items():
        known_by, domain, verified, deleted = rows[name]
        assert (known_by == "its host") == bool(preset.hosts), name
        assert domain == (f"`{name}`" if preset.company else "the host"), name
        assert verified == {"sha256": "SHA-256", "md5": "MD5", "": "nothing"}[preset.hash], name
        assert ("trash" in deleted) == preset.trash, name
        assert all(f"https://{host}/" in PAGE for host in preset.hosts), name


def test_the_figures_are_those_of_the_code() -> None:
    assert f"pieces of {CHUNK >> 20} MiB" in PAGE
    assert OLD == 86400
    assert "taken away after a day" in PAGE
    assert f"`{TEMPORARY}`" in PAGE
    assert SAMPLE == 16
    assert "one put in sixteen is read back" in PAGE
