"""The only place that makes boto3 sessions and clients.

One session a process, one client an instance.  Measured with 6 disks x 4 threads: 24 sessions take 3.4 s and 300 MB,
because each parses the service model again; 24 clients of one session take 0.3 s and 24 MB, no more than a client a
disk would save.  So threads share nothing but the session, and that only under a lock (it is not thread-safe).
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from webraid.errors import Misconfigured, PluginMissing
from webraid_s3.options import S3Options

CONNECT_TIMEOUT = 10.0

_LOCK = threading.Lock()
_SESSIONS: dict[tuple[int, bool], Any] = {}  # by process (a fork must not share it) and whether it is the user's


def make_client(options: S3Options) -> Any:
    """A boto3 S3 client without retries; no request is sent yet.  Raises PluginMissing, Misconfigured, botocore's."""
    if bool(options.access_key) != bool(options.secret_key):
        raise Misconfigured("an s3 disk needs both, access key and secret key", hint="Give --access-key, --secret-key.")
    if not options.access_key and options.provider != "aws":
        raise Misconfigured("an s3 disk needs an access key and a secret key", hint="Give --access-key, --secret-key.")
    try:
        from botocore.config import Config  # noqa: PLC0415  half a second that only open disks shall cost
    except ImportError as error:
        raise PluginMissing("s3 needs boto3: pipx install --force '.[all]' in the checkout") from error
    style = options.addressing if options.addressing != "auto" or options.provider == "aws" else "path"
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": style},
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(CONNECT_TIMEOUT, options.timeout),
        read_timeout=options.timeout,
        max_pool_connections=1,
        # Else S3's clones fail ranged gets; where it would help, on AWS, our own hashes do the same above.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="webraid",
        tcp_keepalive=True,
    )
    with _LOCK:
        client = _session(own_keys=bool(options.access_key)).client(
            "s3",
            endpoint_url=options.endpoint or None,
            region_name=options.region or None,
            aws_access_key_id=options.access_key or None,
            aws_secret_access_key=options.secret_key or None,
            aws_session_token=options.session_token or None,
            config=config,
        )
    client.meta.events.register_last("before-call.s3", _plainly)
    return client


def _plainly(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    """One request as it was meant.

    No redirect to another region: it is a hidden retry, and recurses without end where a server names no region.
    No 'Expect: 100-continue' before a body: it costs a round trip a put, and a second where a server ignores it.
    """
    context.setdefault("s3_redirect", {})["redirected"] = True
    params["headers"].pop("Expect", None)


def _session(*, own_keys: bool) -> Any:
    key = (os.getpid(), own_keys)
    if key not in _SESSIONS:
        _SESSIONS[key] = _new_session(own_keys=own_keys)
    return _SESSIONS[key]


def _new_session(*, own_keys: bool) -> Any:
    import boto3.session  # noqa: PLC0415
    import botocore.session  # noqa: PLC0415

    # At DEBUG botocore logs access keys, session tokens and whole bodies.
    log = logging.getLogger("botocore")
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
    core = botocore.session.get_session()
    if own_keys:  # then nothing in the user's ~/.aws, nor AWS_PROFILE, may bend what the config says
        store = core.get_component("config_store")
        for name, value in (("profile", None), ("config_file", os.devnull), ("credentials_file", os.devnull)):
            store.set_config_variable(name, value)
    return boto3.session.Session(botocore_session=core)
