"""What [[disk]] may say for kind = "s3", and what is known of each provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from webraid.errors import ConfigError

Provider = Literal["aws", "b2", "r2", "wasabi", "minio", "idrive", "storj", "gcs", "other"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider.  ``endpoint``: with {region} to fill in, '' where every account has its own.  ``etag_is_md5``: of an
    object that was put in one piece; None: find out.  ``company``: it is one failure domain, whatever the endpoint.
    ``same_key``: seconds between two writes of one name."""

    endpoint: str = ""
    region: str = "us-east-1"
    etag_is_md5: bool | None = True
    company: bool = True
    same_key: float = 0.0


PRESETS: Mapping[str, Preset] = {
    "aws": Preset(),
    "b2": Preset("https://s3.{region}.backblazeb2.com", region=""),
    "r2": Preset(region="auto", same_key=1.0),
    "wasabi": Preset("https://s3.{region}.wasabisys.com"),
    "minio": Preset(company=False, etag_is_md5=None),  # not with compression or encryption switched on
    "idrive": Preset(),
    "storj": Preset("https://gateway.storjshare.io", etag_is_md5=False),
    "gcs": Preset("https://storage.googleapis.com", region="auto", same_key=1.0),
    "other": Preset(company=False, etag_is_md5=None),
}

_REGION_IN_HOST = re.compile(r"s3\.([a-z0-9-]+)\.(?:backblazeb2|wasabisys)\.com")


def _say(text: str, *, secret: bool = False, rare: bool = False) -> dict[str, Any]:
    return {"help": text, "secret": secret, "rare": rare}


@dataclass(frozen=True, slots=True)
class S3Options:
    """Filled in from the provider's preset when made.  Raises ConfigError."""

    bucket: str = field(metadata=_say("Bucket; made if it is missing and the key may do that."))
    endpoint: str = field(default="", metadata=_say("URL of the server; empty for AWS."))
    region: str = field(default="", metadata=_say("Region the requests are signed for."))
    prefix: str = field(
        default="", metadata=_say("Folder in the bucket, so that it can hold other things too.", rare=True)
    )
    provider: Provider | None = field(
        default=None,
        metadata=_say("aws, b2, r2, wasabi, minio, idrive, storj, gcs or other; aws where no endpoint is given."),
    )
    access_key: str = field(default="", repr=False, metadata=_say("Access key id.", secret=True))
    secret_key: str = field(default="", repr=False, metadata=_say("Secret access key.", secret=True))
    session_token: str = field(
        default="", repr=False, metadata=_say("For temporary keys only.", secret=True, rare=True)
    )
    addressing: Literal["auto", "path", "virtual"] = field(
        default="auto", metadata=_say("Bucket in the URL's path or in its host; auto: host for AWS, else path.")
    )
    keep_versions: bool = field(
        default=False,
        metadata=_say("Leave old versions to the bucket's own rules; else what we replace or delete goes for good."),
    )
    timeout: float = field(default=60.0, metadata=_say("Seconds of silence after which a request is given up."))

    def __post_init__(self) -> None:
        if not self.bucket or "/" in self.bucket:
            raise ConfigError("an s3 disk needs the name of a bucket (a folder in it is its prefix)")
        if self.addressing not in ("auto", "path", "virtual"):
            raise ConfigError(f"addressing is auto, path or virtual, not {self.addressing!r}")
        if not self.timeout > 0:
            raise ConfigError("timeout is a number of seconds above 0")
        provider = self.provider or ("other" if self.endpoint else "aws")
        if provider not in PRESETS:
            raise ConfigError(f"provider {provider!r} is unknown: {', '.join(PRESETS)}")
        self._fill("provider", provider)
        self._fill("prefix", self.prefix.strip("/"))
        self._fill("endpoint", _endpoint(self.endpoint, provider, self.region or PRESETS[provider].region))
        in_host = _REGION_IN_HOST.fullmatch(urlsplit(self.endpoint).hostname or "")
        self._fill("region", self.region or (in_host[1] if in_host else PRESETS[provider].region))

    def _fill(self, name: str, value: str) -> None:
        object.__setattr__(self, name, value)

    @property
    def preset(self) -> Preset:
        return PRESETS[self.provider or "other"]

    @property
    def host(self) -> str:
        """Host and port as one spelling; the same for all of AWS."""
        url = urlsplit(self.endpoint)
        name = url.hostname or ""
        if self.provider == "aws" and (not name or name.endswith(".amazonaws.com")):
            return "s3.amazonaws.com"
        usual = {"http": 80, "https": 443}[url.scheme]
        return name if url.port in (None, usual) else f"{name}:{url.port}"

    def with_secrets(self, secrets: Mapping[str, str]) -> S3Options:
        """The same options with the secret fields that ``secrets`` holds."""
        known = {item.name for item in fields(self) if item.metadata["secret"]}
        given: dict[str, Any] = {name: value for name, value in secrets.items() if name in known}
        return replace(self, **given)


def _endpoint(given: str, provider: str, region: str) -> str:
    text = given.strip().rstrip("/") or PRESETS[provider].endpoint.format(region=region)
    if not text:
        if provider != "aws":
            raise ConfigError(f"provider {provider} needs an endpoint: your account's own URL")
        return ""
    if "://" not in text:
        text = f"https://{text}"
    url = _split(text)
    if "://s3.." in text:
        raise ConfigError(f"provider {provider} needs a region or an endpoint")
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        raise ConfigError("an endpoint is a plain URL like https://s3.example.org, without keys in it")
    return text


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # parsed only when asked for
    except ValueError:
        raise ConfigError("the endpoint is no URL") from None
    return url
