"""What [[disk]] may say for kind = "webdav", and what is known of each provider."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from webraid.errors import ConfigError

Provider = Literal["nextcloud", "owncloud", "koofr", "pcloud", "other"]
Parts = tuple[str, ...]  # a path, decoded, folder by folder
USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider.  ``hosts``: whoever is there is it.  ``company``: one failure domain, whatever the address.
    ``files``: path of a user's files, for who gives the bare address of his server.  ``hash``: what put is checked by.
    ``checks``: the server itself compares it.  ``replaces``: a put over an object is whole or not at all (it writes a
    '.part' file and renames that).  ``trash``: what is deleted goes on counting for a while."""

    hosts: tuple[str, ...] = ()
    company: bool = False
    files: str = ""
    hash: Literal["", "sha256", "md5"] = ""
    checks: bool = False
    replaces: bool = False
    trash: bool = False


_FILES = "/remote.php/dav/files/{user}/webraid"
PRESETS: Mapping[str, Preset] = {
    "nextcloud": Preset(files=_FILES, hash="sha256", replaces=True, trash=True),
    "owncloud": Preset(files=_FILES, hash="md5", checks=True, replaces=True, trash=True),
    "koofr": Preset(("app.koofr.net",), company=True, trash=True),
    "pcloud": Preset(("webdav.pcloud.com", "ewebdav.pcloud.com"), company=True, trash=True),
    "other": Preset(),
}


def _say(text: str, *, secret: bool = False, rare: bool = False) -> dict[str, Any]:
    return {"help": text, "secret": secret, "rare": rare}


@dataclass(frozen=True, slots=True)
class WebdavOptions:
    """Normalised when made.  Raises ConfigError."""

    url: str = field(metadata=_say("Address of the folder on the server; it is made if it is missing."))
    user: str = field(default="", metadata=_say("Who logs in; empty where the server asks for no login.", rare=True))
    password: str = field(
        default="",
        repr=False,
        metadata=_say("Password; make one for webraid alone (an app password).", secret=True, rare=True),
    )
    provider: Provider | None = field(
        default=None,
        metadata=_say("nextcloud, owncloud, koofr, pcloud or other; found out where it is not given.", rare=True),
    )
    ca_file: str = field(
        default="",
        metadata=_say("File with the certificate authority of a server that has one of its own (PEM).", rare=True),
    )
    insecure: bool = field(
        default=False,
        metadata=_say("Send the password over plain http, where everybody on the way can read it.", rare=True),
    )
    timeout: float = field(
        default=60.0, metadata=_say("Seconds of silence after which a request is given up.", rare=True)
    )

    def __post_init__(self) -> None:
        if self.provider is not None and self.provider not in PRESETS:
            raise ConfigError(f"provider {self.provider!r} is unknown: {', '.join(PRESETS)}")
        if not self.timeout > 0:
            raise ConfigError("timeout is a number of seconds above 0")
        if ":" in self.user or not self.user.isprintable():
            raise ConfigError("a user's name has no colon and no control characters in it")
        url = _split(self.url)
        parts = _parts(url.path) or self._usual_parts()
        text = f"{url.scheme}://{_host(url)}{path_of(parts)}/"
        object.__setattr__(self, "url", text)
        if self.user and url.scheme == "http" and not self.insecure and not _loopback(url.hostname or ""):
            raise ConfigError(
                "the password would go over plain http, where everybody on the way can read it",
                hint="Use https://; where you trust the whole way to the server, say --insecure.",
            )

    def _usual_parts(self) -> Parts:
        pattern = PRESETS[self.provider or "other"].files
        return _parts(pattern.format(user=quote(self.user, safe=""))) if pattern and self.user else ()

    @property
    def preset(self) -> Preset:
        return PRESETS[self.known_provider or "other"]

    @property
    def known_provider(self) -> str:
        """As given, or told by the host; '' where only the server can tell."""
        host = urlsplit(self.url).hostname
        by_host = (name for name, preset in PRESETS.items() if host in preset.hosts)
        return self.provider or next(by_host, "")

    @property
    def origin(self) -> str:
        """'https://host' or 'https://host:port'."""
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc}"

    @property
    def parts(self) -> Parts:
        """The folder's path."""
        return _parts(urlsplit(self.url).path)


def path_of(parts: Parts) -> str:
    """'/a%20b/c' of ('a b', 'c'); '' of none."""
    return "".join(f"/{quote(part, safe=SAFE)}" for part in parts)


SAFE = "-._~!$&'()*+,;=:@"  # what RFC 3986 allows in a path, so that an address stays as it was given


def _parts(path: str) -> Parts:
    parts = tuple(unicodedata.normalize("NFC", unquote(part)) for part in path.split("/") if part)
    if any(part in (".", "..") or "/" in part or not part.isprintable() for part in parts):
        raise ConfigError("the url's path has parts that mean nothing")
    return parts


def _split(given: str) -> SplitResult:
    text = given.strip()
    for dav, http in (("davs://", "https://"), ("dav://", "http://")):  # as file managers show it
        if text.lower().startswith(dav):
            text = http + text[len(dav) :]
    if text and "://" not in text:
        text = f"https://{text}"
    try:
        url = urlsplit(text)
        _ = url.port  # parsed only when asked for
    except ValueError:
        raise ConfigError("the url is no URL") from None
    if url.scheme not in USUAL_PORTS or not url.hostname or url.query or url.fragment:
        raise ConfigError("a url is like https://cloud.example.org/remote.php/dav/files/USER/webraid")
    if url.username is not None:
        raise ConfigError("user and password do not belong into the url", hint="Give --user and --password-env.")
    return url


def _host(url: SplitResult) -> str:
    """Host and port as one spelling, fit for a URL."""
    name = url.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if url.port in (None, USUAL_PORTS[url.scheme]) else f"{name}:{url.port}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
