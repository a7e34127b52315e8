"""S3Backend: a bucket, or a folder in one, as a disk."""

from __future__ import annotations

import contextlib
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from webraid.backend import ranges
from webraid.backend.base import Backend, Bytes, Caps, Digest, ErrorTable
from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid.model import Stored, Usage
from webraid_s3.batches import Batches
from webraid_s3.body import Slices
from webraid_s3.client import make_client
from webraid_s3.codes import CODES
from webraid_s3.errors import ERRORS
from webraid_s3.options import S3Options
from webraid_s3.versions import Versions, check_listing

_MD5 = re.compile(r"[0-9a-f]{32}")
_SURE_OF_ABSENCE = ("NoSuchKey", "NoSuchVersion")


class S3Backend(Backend):
    """One object, one PutObject, one name; nothing is kept on our side.

    A put sends Content-MD5, so that an honest server refuses damaged bytes, and compares the ETag that comes back.
    Whether ETags are MD5s is known for most providers and learnt from the first match at others.  Where they are, a
    differing one means that other bytes were stored than we sent: Unavailable, because sending them again under the
    same name is exactly what mends it.  Where they are not, nothing is verified and no hash is told.

    In a bucket that keeps versions (B2 does unless told otherwise) a put takes away what it replaced and a delete all
    there is of the name, unless ``keep_versions`` says otherwise: see versions.py.
    """

    kind: ClassVar[str] = "s3"
    summary: ClassVar[str] = "a bucket: AWS, Backblaze B2, Cloudflare R2, Wasabi, MinIO, iDrive e2, Storj, Google..."
    extra: ClassVar[str] = "s3"
    free_tier: ClassVar[str] = "R2, B2 and iDrive e2: 10 GB each; Google: 5 GB in three US regions (September 2026)"
    ERRORS: ClassVar[ErrorTable] = ERRORS
    caps = Caps(
        hashes=("md5",),
        hashes_in_list=True,
        server_checks_digest=True,
        batch_delete=1000,
        max_object=5 << 30,
        connections=4,
    )

    def __init__(self, options: S3Options, client: Any) -> None:
        self._client = client
        self._client.meta.events.register_last("before-call.s3.PutObject", self._hand_over_body)
        self._client.meta.events.register_last("before-send.s3.PutObject", self._slice_body)
        self._body: Bytes = b""
        self._bucket = options.bucket
        self._region = options.region
        self._location_needed = options.region not in ("", "auto", "us-east-1")
        self._prefix = f"{options.prefix}/" if options.prefix else ""
        self._batches = Batches(self._call, client, self._prefix)
        self._versions = Versions(self._call, self._prefix, keep=options.keep_versions)
        self._etag_is_md5 = options.preset.etag_is_md5
        self.caps = replace(type(self).caps, min_interval_same_key=options.preset.same_key)

    @classmethod
    def options_type(cls) -> type[S3Options]:
        return S3Options

    @classmethod
    def connect(cls, options: S3Options, secrets: Mapping[str, str]) -> S3Backend:
        """Raises BackendError, and PluginMissing where boto3 is not installed."""
        options = options.with_secrets(secrets)
        with mapped(ERRORS):
            return cls(options, make_client(options))

    @classmethod
    def login(cls, options: S3Options, secrets: Secrets, dialogue: Dialogue) -> Login:
        """Nothing to get, but something to tell where the bucket keeps versions.  One or two requests."""
        # What is wrong with the place or the keys is told a moment later, by prepare; a new bucket is made there, too.
        with contextlib.suppress(BackendError), contextlib.closing(cls.connect(options, secrets)) as backend:
            notice = backend._versions.notice()
            if notice:
                dialogue.tell(notice)
        return Login()

    @classmethod
    def identity(cls, options: S3Options) -> str:
        return f"s3|{options.host}|{options.bucket}|{options.prefix}"

    @classmethod
    def default_domain(cls, options: S3Options, name: str) -> str:
        """The company; for a server of one's own the host, without the port: its disks fail together."""
        if options.provider and options.preset.company:
            return options.provider
        return urlsplit(options.endpoint).hostname or name

    # ---------------------------------------------------------------------------------------------------- operations
    def prepare(self) -> None:
        # By a listing, not by HeadBucket: only an answer with a body says why it is refused.
        try:
            self._probe()
        except Misconfigured as error:
            if error.provider_code != "NoSuchBucket":
                raise
        else:
            return
        where: dict[str, Any] = (
            {"CreateBucketConfiguration": {"LocationConstraint": self._region}} if self._location_needed else {}
        )
        try:
            self._call("create_bucket", **where)
        except BackendError as error:
            # Another thread's bucket, or one that only just came to light: then it can be listed now.
            if error.provider_code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"):
                raise
            self._probe()

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        check: dict[str, Any] = {"ContentMD5": b64encode(bytes.fromhex(digest.md5)).decode()} if digest.md5 else {}
        self._body = memoryview(data).cast("B")
        try:
            answer = self._call("put_object", name, **check)
        finally:
            self._body = b""
        if not answer.get("ETag"):
            raise _without_etag(answer, name)
        told = _md5_in(answer)
        verified = self._judge(told, digest.md5, name)
        version = str(answer.get("VersionId") or "")
        self._versions.replaced(name, version)
        stored = Stored(name, memoryview(data).nbytes, version=version, verified=verified)
        return replace(stored, hashes=self._hashes(told))

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        size = ranges.settled(name, offset, size, lambda: self.stat(name).size)
        if size == 0:
            return b""
        answer = self._call("get_object", name, **ranges.header(offset, size))
        body = answer["Body"]
        with mapped(ERRORS, name), contextlib.closing(body):
            length = _length(answer, name)
            count = length if size is None else size
            begin = ranges.begin(
                name, offset, size, status=answer["ResponseMetadata"]["HTTPStatusCode"],
                content_range=answer.get("ContentRange") or "", length=length,
            )  # fmt: skip
            data: bytes = body.read() if count == length else body.read(begin + count)[begin:]
        if len(data) != count:
            raise Unavailable(f"{len(data)} of {count} bytes came", key=name)
        return data

    def stat(self, name: str, *, locator: str = "") -> Stored:
        answer = self._call("head_object", name)
        hashes = self._hashes(_md5_in(answer))
        return Stored(name, _length(answer, name), version=answer.get("VersionId") or "", hashes=hashes)

    def list(self, prefix: str) -> Iterator[Stored]:
        start, before = self._prefix + prefix, ""
        with mapped(ERRORS, prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start):
                check_listing(page, prefix)
                for entry in page.get("Contents", ()):
                    key = str(entry.get("Key", ""))
                    if not key.startswith(start):
                        raise ProtocolError("a listing names what is not under its prefix", key=prefix)
                    # Twice: 'rclone serve s3' does that while a key is overwritten; listings are sorted, so they meet.
                    # With a slash: consoles make such an object when a folder is made in them.
                    if key != before and not key.endswith("/"):
                        told = self._hashes(_md5_in(entry))
                        yield Stored(key.removeprefix(self._prefix), int(entry.get("Size", "")), hashes=told)
                    before = key

    def delete(self, name: str, *, locator: str = "") -> None:
        if self._versions.remove_all(name):
            return
        with contextlib.suppress(ObjectNotFound):
            self._versions.hidden(name, self._call("delete_object", name))

    def delete_many(self, objects: Mapping[str, str]) -> None:
        for name in self._batches.delete(list(objects)) if not self._versions.takes_away else objects:
            self.delete(name)  # what a batch did not do, or only hid

    def usage(self) -> Usage:
        """S3 tells none: the pool counts what it stored."""
        return Usage()

    def close(self) -> None:
        self._client.close()

    # -------------------------------------------------------------------------------------------------------- inside
    def _hand_over_body(self, params: dict[str, Any], **_: Any) -> None:
        """Without a copy: as an argument botocore takes no memoryview, and makes a file of bytes, which goes out in
        pieces of 16 KiB."""
        params["body"] = self._body

    def _slice_body(self, request: Any, **_: Any) -> None:
        """After it was signed, for which it must be in one piece."""
        request.body = Slices(self._body)

    def _call(self, operation: str, name: str = "", **arguments: Any) -> dict[str, Any]:
        if name:
            arguments["Key"] = self._prefix + name
        try:
            with mapped(ERRORS, name):
                answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
                return answer
        except ObjectNotFound as error:
            if error.provider_code not in _SURE_OF_ABSENCE:
                self._check_bucket()
            raise

    def _probe(self) -> None:
        check_listing(self._call("list_objects_v2", Prefix=self._prefix, MaxKeys=1), "")

    def _check_bucket(self) -> None:
        """A bare 404, all that HEAD ever gives, may mean the bucket: what is lost then is the disk, not an object."""
        try:
            with mapped(ERRORS):
                self._client.head_bucket(Bucket=self._bucket)
        except ObjectNotFound:
            cls, sentence, hint = CODES["NoSuchBucket"]
            raise cls(sentence, provider_code="NoSuchBucket", hint=hint) from None
        except BackendError as error:
            if error.retryable:
                raise
            # It answers but won't tell, which the smallest sets of rights do: then the first answer stands.

    def _judge(self, told: str, ours: str, name: str) -> bool:
        """Whether the server's MD5 proves that it stored our bytes.  Learns what its ETags are."""
        if not told or not ours or self._etag_is_md5 is False:
            return False
        if told == ours:
            self._etag_is_md5 = True
            return True
        if self._etag_is_md5:
            raise Unavailable("the server stored other bytes than it was sent", key=name, provider_code="ETag")
        self._etag_is_md5 = False
        return False

    def _hashes(self, md5: str) -> tuple[tuple[str, str], ...]:
        return (("md5", md5),) if md5 and self._etag_is_md5 is not False else ()


def _without_etag(answer: Mapping[str, Any], name: str) -> BackendError:
    """Swift says so of a put that a newer one of the same name overtook: another try is the newest again."""
    if answer["ResponseMetadata"].get("RequestId"):
        return Unavailable("the server does not say that it stored the object", key=name, provider_code="ETag")
    return ProtocolError("the answer to a put has no ETag: this is no S3 server", key=name)


def _md5_in(answer: Mapping[str, Any]) -> str:
    """The MD5 that an answer or a list entry tells as its ETag; '' where it is none."""
    if str(answer.get("ServerSideEncryption") or "").startswith("aws:kms") or answer.get("SSECustomerAlgorithm"):
        return ""  # looks like one, and is something else
    etag = str(answer.get("ETag") or "").strip('"').lower()
    return etag if _MD5.fullmatch(etag) else ""


def _length(answer: Mapping[str, Any], name: str) -> int:
    """Bytes that an answer announces."""
    length: int | None = answer.get("ContentLength")
    if length is None:
        raise ProtocolError("an answer without a length", key=name)
    return length
