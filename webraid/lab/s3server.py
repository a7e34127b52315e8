"""The S3 operations of a simulated cloud: which one a request asks for, and what is answered.  Path-style only."""

from __future__ import annotations

from collections.abc import Callable

from webraid.lab.body import Body
from webraid.lab.http import Answer, Request, document, escape, refuse
from webraid.lab.link import Link
from webraid.lab.listing import list_objects
from webraid.lab.multipart import Part, Upload, keys_to_delete
from webraid.lab.objects import copy_object, get_object, kept_headers, put_object
from webraid.lab.store import BUCKET, MAX_KEY

# Query parameters that choose another operation than the plain one; those without a row below are refused with 501.
_SUBRESOURCES = frozenset({
    "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "inventory", "legal-hold",
    "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "ownershipControls", "partNumber",
    "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select",
    "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})  # fmt: skip
_BUCKET_OPS = {
    ("PUT", ()): "CreateBucket", ("HEAD", ()): "HeadBucket", ("DELETE", ()): "DeleteBucket", ("GET", ()): "ListObjects",
    ("POST", ("delete",)): "DeleteObjects", ("GET", ("location",)): "GetBucketLocation",
    ("GET", ("versioning",)): "GetBucketVersioning", ("GET", ("uploads",)): "ListMultipartUploads",
}  # fmt: skip
_OBJECT_OPS = {
    ("PUT", ()): "PutObject", ("GET", ()): "GetObject", ("HEAD", ()): "HeadObject", ("DELETE", ()): "DeleteObject",
    ("POST", ("uploads",)): "CreateMultipartUpload", ("PUT", ("partNumber", "uploadId")): "UploadPart",
    ("POST", ("uploadId",)): "CompleteMultipartUpload", ("DELETE", ("uploadId",)): "AbortMultipartUpload",
    ("GET", ("uploadId",)): "ListParts",
}  # fmt: skip


def operation(request: Request) -> str:
    """S3's name of what is asked; 'NotImplemented' for what a lab cloud does not do."""
    if not request.bucket:
        return "ListBuckets" if request.method in ("GET", "HEAD") else "NotImplemented"
    which = (request.method, tuple(sorted(_SUBRESOURCES & request.query.keys())))
    name = (_OBJECT_OPS if request.key else _BUCKET_OPS).get(which, "NotImplemented")
    if "x-amz-copy-source" in request.headers:
        return "CopyObject" if name == "PutObject" else "NotImplemented"
    return name


def answer(link: Link, request: Request, body: Body) -> Answer:
    """Do what ``request`` asks; its body has been checked."""
    name = operation(request)
    link.ops[name] += 1
    if name == "NotImplemented":
        return refuse(501, "NotImplemented", "A simulated cloud does not do this.")
    if name == "ListBuckets":
        return _list_buckets(link)
    if name == "CreateBucket":
        return _create_bucket(link, request)
    if not link.store.has_bucket(request.bucket):
        return refuse(404, "NoSuchBucket", "The specified bucket does not exist.")
    if len(request.key.encode()) > MAX_KEY:
        return refuse(400, "KeyTooLongError")
    return _OPERATIONS[name](link, request, body)


# ------------------------------------------------------------------------------------------------------------- buckets
def _list_buckets(link: Link) -> Answer:
    rows = "".join(
        f"<Bucket><Name>{name}</Name><CreationDate>2020-01-01T00:00:00.000Z</CreationDate></Bucket>"
        for name in link.store.buckets()
    )
    return document(f"<ListAllMyBucketsResult><Buckets>{rows}</Buckets></ListAllMyBucketsResult>")


def _create_bucket(link: Link, request: Request) -> Answer:
    if not BUCKET.fullmatch(request.bucket):
        return refuse(400, "InvalidBucketName")
    link.store.make_bucket(request.bucket)  # an own bucket again is no error, as in S3's oldest region
    return Answer(200, {"Location": f"/{request.bucket}"})


def _delete_bucket(link: Link, request: Request, body: Body) -> Answer:
    return Answer(204) if link.store.drop_bucket(request.bucket) else refuse(409, "BucketNotEmpty")


def _uploads(link: Link, request: Request, body: Body) -> Answer:
    rows = "".join(
        f"<Upload><Key>{escape(upload.key)}</Key><UploadId>{upload_id}</UploadId></Upload>"
        for upload_id, upload in link.uploads.items()
        if upload.bucket == request.bucket
    )
    return document(f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{rows}</ListMultipartUploadsResult>")


def _list(link: Link, request: Request, body: Body) -> Answer:
    return list_objects(link.store, request.bucket, request.query)


def _delete_objects(link: Link, request: Request, body: Body) -> Answer:
    wish = keys_to_delete(bytes(body.data))
    if wish is None:
        return refuse(400, "MalformedXML")
    keys, quiet = wish
    for key in keys:
        link.store.delete(request.bucket, key)
    rows = "" if quiet else "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
    return document(f"<DeleteResult>{rows}</DeleteResult>")


# ------------------------------------------------------------------------------------------------------------- objects
def _delete_object(link: Link, request: Request, body: Body) -> Answer:
    link.store.delete(request.bucket, request.key)
    return Answer(204)


def _get(link: Link, request: Request, body: Body) -> Answer:
    return get_object(link.store, request)


def _copy(link: Link, request: Request, body: Body) -> Answer:
    return copy_object(link, request)


# ------------------------------------------------------------------------------------------------------------- uploads
def _begin_upload(link: Link, request: Request, body: Body) -> Answer:
    upload_id = link.env.random(16).hex()
    link.uploads[upload_id] = Upload(request.bucket, request.key, kept_headers(request))
    return document(
        f"<InitiateMultipartUploadResult><Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
        f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
    )


def _of_upload(work: Callable[[Link, Request, Body, Upload], Answer]) -> Callable[[Link, Request, Body], Answer]:
    """``work`` on the upload that the request names."""

    def find(link: Link, request: Request, body: Body) -> Answer:
        upload = link.uploads.get(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (request.bucket, request.key):
            return refuse(404, "NoSuchUpload")
        return work(link, request, body, upload)

    return find


def _put_part(link: Link, request: Request, body: Body, upload: Upload) -> Answer:
    told = request.query["partNumber"]
    number = int(told) if told.isascii() and told.isdigit() else 0
    if not 1 <= number <= 10_000 or body.file is None:
        return refuse(400, "InvalidArgument", "Part numbers go from 1 to 10000.")
    upload.put(number, Part(body.file, body.size, body.md5))
    body.file = None
    return Answer(200, {"ETag": f'"{body.md5}"', **body.checksums})


def _complete(link: Link, request: Request, body: Body, upload: Upload) -> Answer:
    parts = upload.chosen(bytes(body.data))
    if isinstance(parts, Answer):
        return parts
    old = link.store.find(request.bucket, request.key)
    if old and request.headers.get("if-none-match") == "*":
        return refuse(412, "PreconditionFailed")
    refused = link.admit_size(sum(part.size for part in parts), old.size if old else 0)
    if refused:
        return refused
    file, etag = upload.join(parts)
    link.store.add(request.bucket, request.key, file, etag, upload.headers)
    del link.uploads[request.query["uploadId"]]
    return document(
        f"<CompleteMultipartUploadResult><Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
        f"<ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
    )


def _abort(link: Link, request: Request, body: Body, upload: Upload) -> Answer:
    upload.discard()
    del link.uploads[request.query["uploadId"]]
    return Answer(204)


_OPERATIONS: dict[str, Callable[[Link, Request, Body], Answer]] = {
    "HeadBucket": lambda link, request, body: Answer(200),
    "DeleteBucket": _delete_bucket,
    "GetBucketLocation": lambda link, request, body: document("<LocationConstraint/>"),
    "GetBucketVersioning": lambda link, request, body: document("<VersioningConfiguration/>"),
    "ListObjects": _list,
    "ListMultipartUploads": _uploads,
    "DeleteObjects": _delete_objects,
    "GetObject": _get,
    "HeadObject": _get,
    "PutObject": put_object,
    "CopyObject": _copy,
    "DeleteObject": _delete_object,
    "CreateMultipartUpload": _begin_upload,
    "UploadPart": _of_upload(_put_part),
    "ListParts": _of_upload(lambda link, request, body, upload: upload.listing(request.query["uploadId"])),
    "CompleteMultipartUpload": _of_upload(_complete),
    "AbortMultipartUpload": _of_upload(_abort),
}
