"""Who may use a cloud: keys, signatures, clocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from webraid.lab import Lab

ClientOf = Callable[..., Any]


def refusal(s3: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket="lab")
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_a_wrong_access_key_is_refused(lab: Lab, client_of: ClientOf) -> None:
    assert refusal(client_of(lab.cloud("one"), access_key="WRONG")) == (403, "InvalidAccessKeyId")
    assert lab.stats()["one"]["denied"] == 1


def test_a_wrong_secret_key_is_refused(lab: Lab, client_of: ClientOf) -> None:
    assert refusal(client_of(lab.cloud("one"), secret_key="wrong")) == (403, "SignatureDoesNotMatch")


def test_the_keys_of_another_cloud_are_refused(lab: Lab, client_of: ClientOf) -> None:
    two = lab.cloud("two")
    s3 = client_of(lab.cloud("one"), access_key=two.access_key, secret_key=two.secret_key)
    assert refusal(s3) == (403, "InvalidAccessKeyId")


@pytest.mark.parametrize("clock", ["16m", "-16m"])
def test_a_clock_that_is_too_far_off_is_refused(lab: Lab, client_of: ClientOf, clock: str) -> None:
    s3 = client_of(lab.cloud("one"))
    sign = -1 if clock.startswith("-") else 1
    lab.tune("one", clock=sign * 14 * 60)
    s3.list_objects_v2(Bucket="lab")
    lab.tune("one", clock=sign * 16 * 60)
    assert refusal(s3) == (403, "RequestTimeTooSkewed")


def test_a_cloud_that_does_not_check_takes_any_key(lab: Lab, client_of: ClientOf) -> None:
    client_of(lab.cloud("open"), access_key="x", secret_key="y").list_objects_v2(Bucket="lab")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ((), 403, "AccessDenied"),
        (("Authorization: AWS x:y",), 400, "AuthorizationHeaderMalformed"),
        (("Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=" + "0" * 64,
          "x-amz-content-sha256: UNSIGNED-PAYLOAD"), 400, "AuthorizationHeaderMalformed"),
        (("Authorization: AWS4-HMAC-SHA256 Credential=a/20240101/r/s3/aws4_request, SignedHeaders=host, Signature="
          + "0" * 64,), 400, "InvalidRequest"),
    ],
)  # fmt: skip
def test_a_request_that_is_not_signed_is_refused(
    lab: Lab, raw: Callable[..., Any], headers: tuple[str, ...], status: int, code: str
) -> None:
    got, _, text = raw(lab.cloud("one")).ask("GET", "/lab", b"", *headers)
    assert (got, f"<Code>{code}</Code>" in text.decode()) == (status, True)


def test_a_signed_request_cannot_be_bent(lab: Lab, client_of: ClientOf, raw: Callable[..., Any]) -> None:
    s3, seen = client_of(lab.cloud("one")), []
    s3.meta.events.register("before-send.s3.GetObject", lambda request, **_: seen.append(request))
    s3.put_object(Bucket="lab", Key="a", Body=b"a")
    s3.put_object(Bucket="lab", Key="b", Body=b"b")
    s3.get_object(Bucket="lab", Key="a")["Body"].read()
    names = ("Authorization", "X-Amz-Date", "X-Amz-Content-SHA256", "amz-sdk-invocation-id", "amz-sdk-request")
    found = {name: seen[0].headers[name] for name in names if name in seen[0].headers}
    texts = {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
    host = lab.cloud("one").endpoint.removeprefix("http://")
    signed = [f"{name}: {value}" for name, value in texts.items()]
    signed.append("x-amz-checksum-mode: ENABLED")

    def ask(method: str, path: str, host: str) -> int:
        line = raw(lab.cloud("one"))
        line.send("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *signed]).encode() + b"\r\n\r\n")
        status: int = line.read_head()[0]
        return status

    assert ask("GET", "/lab/a", host) == 200
    assert ask("GET", "/lab/b", host) == 403
    assert ask("DELETE", "/lab/a", host) == 403
    assert ask("GET", "/lab/a?x=1", host) == 403
    assert ask("GET", "/lab/a", "other") == 403
