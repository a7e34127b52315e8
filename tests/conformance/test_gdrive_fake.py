"""The fake Drive is honest: it knows no word that the SDK's discovery document does not, and behaves as Google says."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httplib2
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseUpload, build_http

from tests.fakes.drive import CLIENT, OTHER, FakeDrive, fake_drive
from tests.fakes.drive_http import ROUTES
from tests.fakes.drive_store import FOLDER
from tests.fakes.drive_words import EVERYWHERE, FIELDS, PARAMETERS
from tests.fakes.oauth import Client

DOCUMENT: dict[str, Any] = json.loads(get_static_doc("drive", "v3") or "")
RESOURCES = DOCUMENT["resources"].values()
METHODS = {method["id"]: method for resource in RESOURCES for method in resource.get("methods", {}).values()}
SCHEMAS = DOCUMENT["schemas"]


OPEN: list[httplib2.Http] = []


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with fake_drive() as made:
        yield made
        while OPEN:
            OPEN.pop().close()


def files(drive: FakeDrive, client: Client = CLIENT) -> Any:
    return _service(drive, client).files()


def _service(drive: FakeDrive, client: Client = CLIENT, scope: str = "") -> Any:
    """The SDK with Google's own credentials and connections."""
    login = Credentials(
        None, refresh_token=drive.oauth.sign_in(client.id, scope=scope), token_uri=f"{drive.url}/token",
        client_id=client.id, client_secret=client.secret,
    )  # fmt: skip
    OPEN.append(build_http())
    document = {name: value for name, value in DOCUMENT.items() if name != "mtlsRootUrl"}
    return build_from_document({**document, "rootUrl": f"{drive.url}/"}, http=AuthorizedHttp(login, http=OPEN[-1]))


def media(data: bytes, **how: Any) -> MediaIoBaseUpload:
    return MediaIoBaseUpload(io.BytesIO(data), mimetype="application/octet-stream", **how)


def refusal(request: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        request.execute()
    return caught.value.resp.status, json.loads(caught.value.content)["error"]["errors"][0]["reason"]


# ----------------------------------------------------------------------------------------------- the discovery document
@pytest.mark.parametrize("method", sorted(PARAMETERS))
def test_every_parameter_is_one_of_the_document(method: str) -> None:
    assert set(PARAMETERS[method]) <= set(METHODS[method].get("parameters", {}))
    assert set(EVERYWHERE) <= set(DOCUMENT["parameters"])


def test_every_route_is_one_of_the_document() -> None:
    for verb, pattern, name in ROUTES:
        if name == "drive.files.upload":
            continue
        method = METHODS[name]
        path = pattern.replace("(?:/upload)?", "").replace("([^/]+)", "{fileId}")
        assert (verb, path) == (method["httpMethod"], f"/{DOCUMENT['servicePath']}{method['path']}")
        simple = method.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path", "")
        assert ("(?:/upload)?" in pattern) == bool(simple)


@pytest.mark.parametrize("schema", sorted(FIELDS))
def test_every_field_is_one_of_the_document(schema: str) -> None:
    _check_fields(FIELDS[schema], SCHEMAS[schema])


def _check_fields(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for name, below in ours.items():
        assert name in theirs["properties"], name
        if below is not None:
            described = theirs["properties"][name]
            described = described.get("items", described)
            _check_fields(below, SCHEMAS[described["$ref"]] if "$ref" in described else described)


def _check_values(told: Any, described: Mapping[str, Any]) -> None:
    described = SCHEMAS[described["$ref"]] if "$ref" in described else described
    kinds = {"string": str, "boolean": bool, "integer": int, "object": dict, "array": list}
    assert isinstance(told, kinds[described["type"]]), (told, described)
    for name, value in told.items() if isinstance(told, dict) and "properties" in described else ():
        assert name in described["properties"], name
        _check_values(value, described["properties"][name])
    for value in told if isinstance(told, list) else ():
        _check_values(value, described["items"])


def test_what_is_answered_has_the_documents_types(drive: FakeDrive) -> None:
    made = _service(drive)
    file = made.files().create(
        body={"name": "a", "appProperties": {"top": "a"}}, media_body=media(b"1"), fields="*"
    ).execute()  # fmt: skip
    assert file["size"] == "1"
    drive.store.quota = 1 << 40
    for told, schema in (
        (file, "File"),
        (made.files().get(fileId=file["id"], fields="*").execute(), "File"),
        (made.files().list(fields="*").execute(), "FileList"),
        (made.files().generateIds(fields="*").execute(), "GeneratedIds"),
        (made.about().get(fields="*").execute(), "About"),
        (made.changes().getStartPageToken(fields="*").execute(), "StartPageToken"),
        (made.changes().list(pageToken="1", fields="*").execute(), "ChangeList"),
    ):
        _check_values(told, SCHEMAS[schema])


def test_what_it_does_not_know_is_refused(drive: FakeDrive) -> None:
    made = _service(drive)
    assert refusal(made.files().list(includeItemsFromAllDrives=True))[0] == 400
    assert refusal(made.files().list(fields="files(id,colour)")) == (400, "invalidParameter")
    assert refusal(made.files().list(q="colour = 'red'")) == (400, "invalid")
    assert refusal(made.about().get()) == (400, "required")
    assert drive.faults.journal[1].strange == ("includeItemsFromAllDrives",)


# ----------------------------------------------------------------------------------------------------------- behaviours
def test_a_mask_gives_what_it_names_and_no_more(drive: FakeDrive) -> None:
    made = files(drive)
    made.create(body={"name": "a"}, media_body=media(b"1")).execute()
    assert set(made.list().execute()["files"][0]) == {"kind", "id", "name", "mimeType"}
    assert made.list(fields="files/name").execute() == {"files": [{"name": "a"}]}
    assert set(made.list(fields="files(size,md5Checksum)").execute()["files"][0]) == {"size", "md5Checksum"}


def test_a_name_may_repeat_an_id_may_not(drive: FakeDrive) -> None:
    made = files(drive)
    (one,) = made.generateIds(count=1).execute()["ids"]
    for _ in range(2):
        made.create(body={"name": "twin"}, media_body=media(b"1")).execute()
    made.create(body={"name": "once", "id": one}, media_body=media(b"1")).execute()
    assert refusal(made.create(body={"name": "once", "id": one}, media_body=media(b"1"))) == (409, "fileIdInUse")
    again = made.create(body={"id": one}, media_body=media(b"1", resumable=True))
    with pytest.raises(HttpError, match="409"):
        again.execute()
    assert refusal(made.create(body={"id": "made-up"}, media_body=media(b"1")))[0] == 400
    assert sorted(file["name"] for file in made.list().execute()["files"]) == ["once", "twin", "twin"]


def test_the_sdks_own_uploads_arrive(drive: FakeDrive) -> None:
    made, data = files(drive), hashlib.shake_128(b"x").digest(1_000_003)
    for how in ({}, {"resumable": True}, {"resumable": True, "chunksize": 256 << 10}):
        told = made.create(body={"name": "a"}, media_body=media(data, **how), fields="id,sha256Checksum").execute()
        assert told["sha256Checksum"] == hashlib.sha256(data).hexdigest()
        assert made.get_media(fileId=told["id"]).execute() == data
        told = made.update(fileId=told["id"], media_body=media(b"new"), fields="size,headRevisionId").execute()
        assert told["size"] == "3"


def test_a_resumable_upload_goes_on_after_a_failure(drive: FakeDrive) -> None:
    request = files(drive).create(
        body={"name": "a"}, media_body=media(bytes(600_000), resumable=True, chunksize=1 << 18)
    )
    request.next_chunk()
    drive.refuse("files.upload", 503, "backendError")
    with pytest.raises(HttpError):
        request.next_chunk()
    told = None
    while told is None:
        _, told = request.next_chunk()
    assert drive.store.files[told["id"]].data == bytes(600_000)


def test_searches_lag_and_ids_do_not(drive: FakeDrive) -> None:
    made = files(drive)
    now = [0.0]
    drive.store.now, drive.store.lag = (lambda: now[0]), 60.0
    file_id = made.create(body={"name": "a"}, media_body=media(b"1")).execute()["id"]
    assert made.list().execute()["files"] == []
    assert made.get(fileId=file_id).execute()["name"] == "a"
    now[0] = 61.0
    assert [file["name"] for file in made.list(q="name = 'a'").execute()["files"]] == ["a"]
    made.delete(fileId=file_id).execute()
    assert len(made.list().execute()["files"]) == 1
    assert refusal(made.get(fileId=file_id)) == (404, "notFound")


def test_names_are_searched_without_regard_to_case(drive: FakeDrive) -> None:
    made = files(drive)
    made.create(body={"name": "It's A"}, media_body=media(b"1")).execute()
    assert len(made.list(q="name = 'it\\'s a'").execute()["files"]) == 1
    assert made.list(q="not name = 'it\\'s a'").execute()["files"] == []
    assert len(made.list(q="(name = 'x' or name contains 'it') and trashed = false").execute()["files"]) == 1


def test_the_trash_counts_until_it_is_emptied(drive: FakeDrive) -> None:
    made = _service(drive)
    file_id = made.files().create(body={"name": "a"}, media_body=media(bytes(1000))).execute()["id"]
    made.files().update(fileId=file_id, body={"trashed": True}).execute()
    told = made.about().get(fields="storageQuota").execute()["storageQuota"]
    assert told == {"usage": "1000", "usageInDrive": "1000", "usageInDriveTrash": "1000"}
    assert made.files().list(q="trashed = false").execute()["files"] == []
    assert made.files().get(fileId=file_id, fields="trashed").execute() == {"trashed": True}
    made.files().emptyTrash().execute()
    assert made.about().get(fields="storageQuota/usage").execute()["storageQuota"] == {"usage": "0"}


def test_a_full_account_takes_nothing_more(drive: FakeDrive) -> None:
    drive.store.quota, drive.store.elsewhere = 1000, 990
    made = files(drive)
    made.create(body={"name": "a"}, media_body=media(bytes(10))).execute()
    assert refusal(made.create(body={"name": "b"}, media_body=media(b"1"))) == (403, "storageQuotaExceeded")


def test_quota_units_run_out_and_come_back(drive: FakeDrive) -> None:
    now = [0.0]
    drive.store.now, drive.store.units_per_minute = (lambda: now[0]), 250
    made = files(drive)
    made.list().execute()
    made.list().execute()
    assert refusal(made.list()) == (403, "userRateLimitExceeded")
    made.generateIds().execute()
    now[0] = 61.0
    made.list().execute()


def test_another_client_sees_nothing(drive: FakeDrive) -> None:
    file_id = files(drive).create(body={"name": "a"}, media_body=media(b"1")).execute()["id"]
    other = files(drive, OTHER)
    assert other.list().execute()["files"] == []
    assert refusal(other.get(fileId=file_id)) == (404, "notFound")
    assert refusal(other.delete(fileId=file_id)) == (404, "notFound")


def test_pages_have_tokens_that_expire_and_belong_to_their_query(drive: FakeDrive) -> None:
    now = [0.0]
    drive.store.now = lambda: now[0]
    made = files(drive)
    for number in range(5):
        made.create(body={"name": str(number)}, media_body=media(b"")).execute()
    first = made.list(pageSize=3).execute()
    second = made.list(pageSize=3, pageToken=first["nextPageToken"]).execute()
    assert sorted(file["name"] for file in first["files"] + second["files"]) == ["0", "1", "2", "3", "4"]
    assert "nextPageToken" not in second
    assert refusal(made.list(q="trashed = false", pageToken=first["nextPageToken"])) == (400, "invalid")
    now[0] = 3601.0
    assert refusal(made.list(pageSize=3, pageToken=first["nextPageToken"])) == (400, "invalid")


def test_a_range_of_an_empty_file_is_an_error(drive: FakeDrive) -> None:
    made = files(drive)
    for size, header, status in ((0, "bytes=0-0", 416), (5, "bytes=5-9", 416), (5, "bytes=1-9", 206)):
        file_id = made.create(body={"name": "a"}, media_body=media(bytes(size))).execute()["id"]
        request = made.get_media(fileId=file_id)
        request.headers["Range"] = header
        answers: list[Any] = []
        request.add_response_callback(answers.append)
        if status == 416:
            with pytest.raises(HttpError, match="416"):
                request.execute()
        else:
            assert len(request.execute()) == 4
            assert answers[0]["content-range"] == "bytes 1-4/5"


def test_what_is_taken_for_harmful_wants_a_word_of_its_owner(drive: FakeDrive) -> None:
    made = files(drive)
    file_id = made.create(body={"name": "a"}, media_body=media(b"1")).execute()["id"]
    drive.store.abusive.add(file_id)
    assert refusal(made.get_media(fileId=file_id)) == (403, "cannotDownloadAbusiveFile")
    assert made.get_media(fileId=file_id, acknowledgeAbuse=True).execute() == b"1"


def test_an_error_may_come_after_the_effect(drive: FakeDrive) -> None:
    drive.refuse("files.create", 503, "backendError", after=True)
    assert refusal(files(drive).create(body={"name": "a"}, media_body=media(b"1")))[0] == 503
    assert [file.name for file in drive.store.files.values()] == ["a"]


def test_what_lies_in_a_folder_shares_its_fate(drive: FakeDrive) -> None:
    made = files(drive)
    folder = made.create(body={"name": "f", "mimeType": FOLDER}).execute()["id"]
    inside = made.create(body={"name": "a", "parents": [folder]}, media_body=media(b"1")).execute()["id"]
    query = f"'{folder}' in parents and trashed = false"
    assert len(made.list(q=query).execute()["files"]) == 1
    made.update(fileId=folder, body={"trashed": True}).execute()
    assert made.list(q=query).execute()["files"] == []
    told = made.get(fileId=inside, fields="trashed,explicitlyTrashed").execute()
    assert told["trashed"]
    made.delete(fileId=folder).execute()
    assert refusal(made.list(q=query)) == (404, "notFound")
    assert not drive.store.files


def test_a_folder_takes_only_so_many(drive: FakeDrive) -> None:
    drive.store.folder_limit = 2
    made = files(drive)
    one, _ = [made.create(body={"name": "a"}, media_body=media(b"")).execute()["id"] for _ in range(2)]
    full = (403, "numChildrenInNonRootLimitExceeded")
    assert refusal(made.create(body={"name": "c"}, media_body=media(b""))) == full
    made.delete(fileId=one).execute()
    made.create(body={"name": "c"}, media_body=media(b"")).execute()


def test_changes_tell_what_came_and_went(drive: FakeDrive) -> None:
    made = _service(drive)
    start = made.changes().getStartPageToken().execute()["startPageToken"]
    file_id = made.files().create(body={"name": "a"}, media_body=media(b"1")).execute()["id"]
    told = made.changes().list(pageToken=start).execute()
    assert [(change["fileId"], change["removed"]) for change in told["changes"]] == [(file_id, False)]
    made.files().delete(fileId=file_id).execute()
    told = made.changes().list(pageToken=told["newStartPageToken"]).execute()
    assert [change["removed"] for change in told["changes"]] == [True]


def test_a_login_without_the_scope_may_nothing(drive: FakeDrive) -> None:
    drive.oauth.scopes = ()
    made = _service(drive, scope="openid").files()
    assert refusal(made.list()) == (403, "insufficientPermissions")
