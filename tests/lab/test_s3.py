"""The S3 that the clouds speak, seen through boto's own client."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import io
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import ClientError

from webraid.lab import Lab
from webraid.lab.store import object_path

Connect = Callable[..., Any]
ODD = "a b/ü&<x>+%2F?#.bin"


def code(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response: Any = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def body(answer: Any) -> bytes:
    data: bytes = answer["Body"].read()
    return data


def keys_of(s3: Any, **wish: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="lab", **wish)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_an_object_comes_back_with_its_headers(s3: Any) -> None:
    data = os.urandom(3_000_001)
    s3.put_object(Bucket="lab", Key=ODD, Body=data, Metadata={"mtime": "1.5"}, ContentType="image/x", CacheControl="no")
    got = s3.get_object(Bucket="lab", Key=ODD)
    assert body(got) == data
    assert got["Metadata"] == {"mtime": "1.5"}
    assert (got["ContentType"], got["CacheControl"]) == ("image/x", "no")
    assert got["ETag"] == s3.head_object(Bucket="lab", Key=ODD)["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert keys_of(s3) == [ODD]


ODD_KEYS = ["dot", ".", "..", "../x", "/", "a//b", "x/" * 500, "é" * 512, "y" * 200 + "..", "%", "a%", "\x01"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_stay_below_their_bucket(lab: Lab, raw: Connect, key: str) -> None:
    line, path = raw(lab.cloud("open")), "/lab/" + urllib.parse.quote(key, safe="")
    bucket = lab.object_dir("open")
    assert line.ask("PUT", path, key.encode())[0] == 200
    assert line.ask("GET", path)[2] == key.encode()
    listed = line.ask("GET", "/lab?encoding-type=url")[2].decode()
    assert re.findall("<Key>(.*?)</Key>", listed) == [urllib.parse.quote(key, safe="/")]
    assert [path for path in lab.directory.rglob("*") if path.is_file() and path.read_bytes() == key.encode()] == [
        object_path(bucket, key)
    ]
    assert object_path(bucket, key).resolve().is_relative_to(bucket)
    assert line.ask("DELETE", path)[0] == 204
    assert line.ask("GET", path)[0] == 404


def test_a_bucket_is_no_path(lab: Lab, raw: Connect) -> None:
    line = raw(lab.cloud("open"))
    for name in ("%2E%2E", "..", "..%2Ftwo", ".incoming", "Upper", "x"):
        assert line.ask("PUT", f"/{name}")[0] == 400
        assert line.ask("PUT", f"/{name}/k", b"x")[0] == 404
        assert line.ask("GET", f"/{name}")[0] == 404


def test_a_key_beyond_what_s3_takes_is_refused(s3: Any) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="lab", Key="k" * 1025, Body=b"")
    assert code(caught) == (400, "KeyTooLongError")


def test_ranges_are_exact(s3: Any) -> None:
    data = os.urandom(100_000)
    s3.put_object(Bucket="lab", Key="k", Body=data)
    wanted = {"bytes=10-19": data[10:20], "bytes=-7": data[-7:], "bytes=99990-": data[99990:], "bytes=5-5": data[5:6],
              "bytes=99990-200000": data[99990:], "bytes=-200000": data, "bytes=0-": data}  # fmt: skip
    for header, expected in wanted.items():
        got = s3.get_object(Bucket="lab", Key="k", Range=header)
        assert body(got) == expected
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"].endswith("/100000")
    for header in ("bytes=9-5", "bytes=a-b", "bytes=1-2,4-5", "bytes=-"):  # not a range that S3 knows: everything
        assert body(s3.get_object(Bucket="lab", Key="k", Range=header)) == data


@pytest.mark.parametrize(("size", "header"), [(10, "bytes=10-"), (10, "bytes=-0"), (0, "bytes=0-"), (0, "bytes=-5")])
def test_a_range_past_the_end_is_refused(s3: Any, size: int, header: str) -> None:
    s3.put_object(Bucket="lab", Key="k", Body=b"x" * size)
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="lab", Key="k", Range=header)
    assert code(caught) == (416, "InvalidRange")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["content-range"] == f"bytes */{size}"


def test_empty_objects_and_streams_are_objects_too(s3: Any) -> None:
    s3.put_object(Bucket="lab", Key="empty", Body=b"")
    assert body(s3.get_object(Bucket="lab", Key="empty")) == b""
    data = os.urandom(200_000)
    s3.put_object(Bucket="lab", Key="stream", Body=io.BytesIO(data))
    assert body(s3.get_object(Bucket="lab", Key="stream")) == data


def test_a_missing_object_or_bucket_is_named_as_such(s3: Any) -> None:
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError) as caught:
            call(Bucket="lab", Key="nothing")
        assert code(caught)[0] == 404
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="other", Key="nothing")
    assert code(caught) == (404, "NoSuchBucket")
    s3.delete_object(Bucket="lab", Key="nothing")


def test_conditions_on_a_put_hold(s3: Any) -> None:
    etag = s3.put_object(Bucket="lab", Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    for wish in ({"IfNoneMatch": "*"}, {"IfMatch": '"' + "0" * 32 + '"'}):
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket="lab", Key="k", Body=b"2", **wish)
        assert code(caught) == (412, "PreconditionFailed")
    assert body(s3.get_object(Bucket="lab", Key="k")) == b"1"
    s3.put_object(Bucket="lab", Key="k", Body=b"3", IfMatch=etag)
    assert body(s3.get_object(Bucket="lab", Key="k")) == b"3"


def test_conditions_on_a_get_hold(s3: Any) -> None:
    etag = s3.put_object(Bucket="lab", Key="k", Body=b"1")["ETag"]
    stamp = s3.head_object(Bucket="lab", Key="k")["LastModified"].timestamp()
    for call in (s3.get_object, s3.head_object):
        for wish, status in (
            ({"IfNoneMatch": etag}, 304), ({"IfMatch": '"x"'}, 412),
            ({"IfModifiedSince": email.utils.formatdate(stamp)}, 304),
            ({"IfUnmodifiedSince": email.utils.formatdate(stamp - 10)}, 412),
        ):  # fmt: skip
            with pytest.raises(ClientError) as caught:
                call(Bucket="lab", Key="k", **wish)
            assert code(caught)[0] == status
    for wish in ({"IfNoneMatch": '"x"'}, {"IfMatch": etag}, {"IfModifiedSince": email.utils.formatdate(stamp - 10)}):
        assert body(s3.get_object(Bucket="lab", Key="k", **wish)) == b"1"


def test_an_upload_in_parts_becomes_one_object(s3: Any, lab: Lab) -> None:
    data = os.urandom(11_000_000)
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
    with create_transfer_manager(s3, config) as transfer:
        transfer.upload(io.BytesIO(data), "lab", "multi", {"ContentType": "x/y"}).result()
    got = s3.get_object(Bucket="lab", Key="multi")
    assert body(got) == data
    assert got["ContentType"] == "x/y"
    assert got["ETag"].endswith('-3"')
    assert list((lab.directory / "one" / ".incoming").iterdir()) == []


def test_parts_are_checked_when_an_upload_is_completed(s3: Any, lab: Lab) -> None:
    upload = s3.create_multipart_upload(Bucket="lab", Key="m")["UploadId"]
    place: dict[str, Any] = {"Bucket": "lab", "Key": "m", "UploadId": upload}
    tags = [s3.upload_part(PartNumber=n, Body=b"x" * n, **place)["ETag"] for n in (1, 2)]
    assert [(part["PartNumber"], part["Size"]) for part in s3.list_parts(**place)["Parts"]] == [(1, 1), (2, 2)]
    assert [item["Key"] for item in s3.list_multipart_uploads(Bucket="lab")["Uploads"]] == ["m"]
    one, two = ({"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1))
    wrong: list[tuple[list[dict[str, Any]], str]] = [
        ([two, one], "InvalidPartOrder"), ([one, {**two, "ETag": '"x"'}], "InvalidPart"),
        ([{**two, "PartNumber": 3}], "InvalidPart"), ([one, two], "EntityTooSmall"),
    ]  # fmt: skip
    for parts, expected in wrong:
        with pytest.raises(ClientError) as caught:
            s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **place)
        assert code(caught)[1] == expected
    s3.complete_multipart_upload(MultipartUpload={"Parts": [two]}, **place)
    assert body(s3.get_object(Bucket="lab", Key="m")) == b"xx"
    with pytest.raises(ClientError) as caught:
        s3.abort_multipart_upload(**place)
    assert code(caught) == (404, "NoSuchUpload")
    aborted = s3.create_multipart_upload(Bucket="lab", Key="n")["UploadId"]
    s3.upload_part(Bucket="lab", Key="n", UploadId=aborted, PartNumber=1, Body=b"1")
    s3.abort_multipart_upload(Bucket="lab", Key="n", UploadId=aborted)
    assert keys_of(s3) == ["m"]
    assert list((lab.directory / "one" / ".incoming").iterdir()) == []


def test_a_copy_has_the_bytes_and_the_chosen_headers(s3: Any) -> None:
    s3.put_object(Bucket="lab", Key=ODD, Body=b"bytes", Metadata={"a": "1"})
    source = {"Bucket": "lab", "Key": ODD}
    s3.copy_object(Bucket="lab", Key="same", CopySource=source)
    s3.copy_object(Bucket="lab", Key="new", CopySource=source, Metadata={"b": "2"}, MetadataDirective="REPLACE")
    assert body(s3.get_object(Bucket="lab", Key="same")) == b"bytes"
    assert [s3.head_object(Bucket="lab", Key=key)["Metadata"] for key in ("same", "new")] == [{"a": "1"}, {"b": "2"}]


def test_many_objects_are_listed_in_pages(s3: Any) -> None:
    for number in range(240):
        s3.put_object(Bucket="lab", Key=f"d{number % 3}/k{number:05d}", Body=b"x")
    for key in ("copy", ODD):
        s3.put_object(Bucket="lab", Key=key, Body=b"")
    keys = keys_of(s3, PaginationConfig={"PageSize": 7})
    assert keys == sorted(keys)
    assert len(keys) == 242
    first = s3.list_objects_v2(Bucket="lab", Delimiter="/")
    assert [item["Prefix"] for item in first["CommonPrefixes"]] == ["a b/", "d0/", "d1/", "d2/"]
    assert [item["Key"] for item in first["Contents"]] == ["copy"]
    paged = s3.get_paginator("list_objects_v2").paginate(Bucket="lab", Delimiter="/", PaginationConfig={"PageSize": 2})
    counts = [len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])) for page in paged]
    assert counts == [2, 2, 1]
    assert keys_of(s3, Prefix="d1/", StartAfter="d1/k00200") == [f"d1/k{n:05d}" for n in range(202, 240, 3)]
    old = s3.get_paginator("list_objects").paginate(Bucket="lab", Prefix="d0/", PaginationConfig={"PageSize": 30})
    assert sum(len(page["Contents"]) for page in old) == 80
    none = s3.list_objects_v2(Bucket="lab", MaxKeys=0)
    assert (none["IsTruncated"], none["KeyCount"]) == (False, 0)
    wish = {"Objects": [{"Key": key} for key in keys[:-1]]}
    assert len(s3.delete_objects(Bucket="lab", Delete=wish)["Deleted"]) == 241
    assert keys_of(s3) == keys[-1:]


def test_buckets_are_made_and_removed(s3: Any) -> None:
    s3.create_bucket(Bucket="second")
    s3.create_bucket(Bucket="second")
    assert [item["Name"] for item in s3.list_buckets()["Buckets"]] == ["lab", "second"]
    s3.put_object(Bucket="second", Key="k", Body=b"")
    with pytest.raises(ClientError) as caught:
        s3.delete_bucket(Bucket="second")
    assert code(caught) == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="second", Key="k")
    s3.delete_bucket(Bucket="second")
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket="second")
    assert "Status" not in s3.get_bucket_versioning(Bucket="lab")


def test_what_a_lab_cloud_does_not_do_is_refused_not_mistaken(s3: Any) -> None:
    s3.put_object(Bucket="lab", Key="k", Body=b"bytes")
    calls: list[Callable[[], object]] = [
        lambda: s3.put_object_tagging(Bucket="lab", Key="k", Tagging={"TagSet": []}),
        lambda: s3.get_object_acl(Bucket="lab", Key="k"),
        lambda: s3.list_object_versions(Bucket="lab"),
        lambda: s3.put_bucket_versioning(Bucket="lab", VersioningConfiguration={"Status": "Enabled"}),
    ]
    for call in calls:
        with pytest.raises(ClientError) as caught:
            call()
        assert code(caught) == (501, "NotImplemented")
    assert body(s3.get_object(Bucket="lab", Key="k")) == b"bytes"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_checksum_is_checked_kept_and_told(s3: Any, algorithm: str) -> None:
    name = f"Checksum{algorithm}"
    told = s3.put_object(Bucket="lab", Key="k", Body=b"bytes", ChecksumAlgorithm=algorithm)
    assert told[name] == s3.head_object(Bucket="lab", Key="k", ChecksumMode="ENABLED")[name]
    wrong = base64.b64encode(b"x" * len(base64.b64decode(told[name]))).decode()
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="lab", Key="k", Body=b"other", **{name: wrong})
    assert code(caught) == (400, "BadDigest")
    assert body(s3.get_object(Bucket="lab", Key="k")) == b"bytes"


def test_a_wrong_content_md5_is_refused(s3: Any) -> None:
    right = base64.b64encode(hashlib.md5(b"bytes").digest()).decode()
    s3.put_object(Bucket="lab", Key="k", Body=b"bytes", ContentMD5=right)
    for told, expected in ((base64.b64encode(b"x" * 16).decode(), "BadDigest"), ("no base64", "InvalidDigest")):
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket="lab", Key="wrong", Body=b"bytes", ContentMD5=told)
        assert code(caught) == (400, expected)
    assert keys_of(s3) == ["k"]


def test_a_presigned_address_works_without_keys(lab: Lab, client_of: Callable[..., Any]) -> None:
    s3 = client_of(lab.cloud("one"), signature_version="s3v4")
    s3.put_object(Bucket="lab", Key=ODD, Body=b"bytes")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "lab", "Key": ODD}, ExpiresIn=60)
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert answer.read() == b"bytes"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(address.replace("Expires=60", "Expires=61"), timeout=10)
    with caught.value as refused:
        assert b"SignatureDoesNotMatch" in refused.read()
    lab.tune("one", clock=61)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(address, timeout=10)
    with caught.value as refused:
        assert b"has expired" in refused.read()
