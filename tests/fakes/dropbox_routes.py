"""The routes of the fake Dropbox's API: arguments in, answers out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.dropbox_store import WriteFailed, as_failure
from tests.fakes.dropbox_words import (
    JSON,
    Refusal,
    Told,
    bad_input,
    check_pattern,
    conflict,
    union,
    upload_conflict,
)

if TYPE_CHECKING:
    from tests.fakes.dropbox import FakeDropbox

MAX_BATCH = 1000  # SDK, finish_batch_v2: "up to 1000 entries in a single request"; start_batch and delete_batch alike


@dataclass
class Asked:
    """A request, taken apart.  ``range``: the header; ``arg``: None where the route takes none."""

    route: str
    arg: Any
    body: bytes = b""
    range: str = ""


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Routes:
    """One method a route, '/' as two underscores."""

    def __init__(self, dropbox: FakeDropbox) -> None:
        self.dropbox = dropbox
        self.store = dropbox.store
        self.sessions = dropbox.sessions

    def run(self, asked: Asked) -> Reply:
        found = getattr(self, asked.route.replace("/", "__"))(asked)
        return found if isinstance(found, Reply) else Reply(200, json.dumps(found).encode(), {"Content-Type": JSON})

    # -------------------------------------------------------------------------------------------------------- uploads
    def files__upload(self, asked: Asked) -> Told:
        check_pattern(asked.route, asked.arg.get("path"), read=False)
        self.sessions.check_body(asked.arg, asked.body)
        with self.store.writing():
            try:
                return self.store.write(asked.arg, asked.body).plain()
            except WriteFailed as failed:
                raise upload_conflict(failed.tags) from None

    def files__upload_session__start(self, asked: Asked) -> Told:
        return {"session_id": self.sessions.begin(asked.arg, asked.body)}

    def files__upload_session__start_batch(self, asked: Asked) -> Told:
        if not 1 <= int(asked.arg.get("num_sessions", 0)) <= MAX_BATCH:
            raise bad_input(asked.route, "num_sessions: not within range")
        return {"session_ids": self.sessions.begin_many(asked.arg)}

    def files__upload_session__append_v2(self, asked: Asked) -> None:
        self.sessions.append(asked.arg, asked.body)

    def files__upload_session__finish(self, asked: Asked) -> Told:
        check_pattern(asked.route, asked.arg["commit"].get("path"), read=False)
        session, data = self.sessions.finish(asked.arg, asked.body, batch=False)
        with self.store.writing():
            try:
                node = self.store.write(asked.arg["commit"], data)
            except WriteFailed as failed:
                raise conflict(f"path/{failed.tags}") from None
            session.committed = True
            return node.plain()

    def files__upload_session__finish_batch_v2(self, asked: Asked) -> Told:
        """SDK, finish_batch_v2: each entry succeeds or fails on its own, in the order they came."""
        entries = asked.arg["entries"]
        _check_batch(asked.route, entries)
        for entry in entries:
            check_pattern(asked.route, entry["commit"].get("path"), read=False)
        with self.store.writing():
            return {"entries": [self._finish(entry) for entry in entries]}

    def _finish(self, entry: Told) -> Told:
        failing = self.dropbox.failing_entry(entry["commit"]["path"])
        if failing:
            return {".tag": "failure", "failure": union(failing)}
        try:
            session, data = self.sessions.finish(entry, b"", batch=True)
            node = self.store.write(entry["commit"], data)
        except (Refusal, WriteFailed) as failed:
            return as_failure(failed, "path")
        session.committed = True
        return {".tag": "success", **node.plain()}

    # -------------------------------------------------------------------------------------------------------- reading
    def files__download(self, asked: Asked) -> Reply:
        node = self.store.find(check_pattern(asked.route, asked.arg.get("path"), read=True))
        if node.data is None:
            raise conflict("path/not_file")
        if node.id in self.store.restricted:
            raise conflict("path/restricted_content")
        # "The arguments and results are in headers, as JSON that is safe for HTTP headers"
        headers = {"Content-Type": "application/octet-stream", "Dropbox-API-Result": json.dumps(node.plain())}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.range)
        if not wanted:
            return Reply(200, node.data, headers)
        # "Content-download endpoints support Range retrieval" (HTTP documentation); 416: RFC 9110, 14.4 and 15.5.17
        size, begin = len(node.data), int(wanted[1])
        end = min(int(wanted[2] or size), size - 1)
        if begin >= size or begin > end:
            raise Refusal(416, b"Requested Range Not Satisfiable", "text/plain", Content_Range=f"bytes */{size}")
        return Reply(206, node.data[begin : end + 1], {**headers, "Content-Range": f"bytes {begin}-{end}/{size}"})

    def files__get_metadata(self, asked: Asked) -> Told:
        path = check_pattern(asked.route, asked.arg.get("path"), read=True)
        try:
            return self.store.find(path).told()
        except Refusal:
            if asked.arg.get("include_deleted"):
                for name, change in reversed(self.store.changes):
                    if name == path.lower() and change[".tag"] == "deleted":
                        return change
            raise

    def files__list_folder(self, asked: Asked) -> Told:
        _check_listing(asked)
        with self.store.lock:
            return self.store.page_of(self.store.begin_listing(asked.arg))

    def files__list_folder__continue(self, asked: Asked) -> Told:
        with self.store.lock:
            return self.store.page_of(str(asked.arg["cursor"]))

    def files__list_folder__get_latest_cursor(self, asked: Asked) -> Told:
        _check_listing(asked)
        with self.store.lock:
            return {"cursor": self.store.begin_listing(asked.arg, empty=True)}

    # --------------------------------------------------------------------------------------------------- other writes
    def files__delete_v2(self, asked: Asked) -> Told:
        path = check_pattern(asked.route, asked.arg.get("path"), read=True)
        with self.store.writing():
            return {"metadata": self.store.delete(path, asked.arg.get("parent_rev")).told()}

    def files__delete_batch(self, asked: Asked) -> Told:
        entries = asked.arg["entries"]
        _check_batch(asked.route, entries)
        results: list[Told] = []
        with self.store.writing():
            for entry in entries:
                try:
                    gone = self.store.delete(entry["path"], entry.get("parent_rev"))
                    results.append({".tag": "success", "metadata": gone.told()})
                except Refusal as refusal:
                    results.append(as_failure(refusal, ""))
        return {".tag": "async_job_id", "async_job_id": self.store.launch(results)}

    def files__delete_batch__check(self, asked: Asked) -> Told:
        return self.store.job(str(asked.arg["async_job_id"]))

    def files__create_folder_v2(self, asked: Asked) -> Told:
        path = check_pattern(asked.route, asked.arg.get("path"), read=False)
        with self.store.writing():
            try:
                node = self.store.make_folder(path, autorename=bool(asked.arg.get("autorename")))
            except WriteFailed as failed:
                raise conflict(f"path/{failed.tags}") from None
            return {"metadata": node.plain()}

    # -------------------------------------------------------------------------------------------------------- account
    def users__get_space_usage(self, asked: Asked) -> Told:
        """SDK, SpaceUsage with an IndividualSpaceAllocation or a TeamSpaceAllocation."""
        quota = 0 if self.dropbox.faults.name == "full" else self.store.quota
        if self.dropbox.team is not None:
            return {"used": self.store.used(), "allocation": {".tag": "team", **self.dropbox.team}}
        return {"used": self.store.used(), "allocation": {".tag": "individual", "allocated": quota}}

    def users__get_current_account(self, asked: Asked) -> Told:
        """SDK, FullAccount."""
        return {
            "account_id": self.dropbox.account_id,
            "name": {
                "given_name": "Some", "surname": "One", "familiar_name": "Some", "display_name": "Some One",
                "abbreviated_name": "SO",
            },
            "email": "someone@example.org", "email_verified": True, "disabled": False, "locale": "en",
            "referral_link": "https://example.org/r", "is_paired": False, "account_type": {".tag": "basic"},
            "root_info": {".tag": "user", "root_namespace_id": "7", "home_namespace_id": "7"},
        }  # fmt: skip


def _check_batch(route: str, entries: Any) -> None:
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_BATCH:
        raise bad_input(route, f"entries: more than {MAX_BATCH} or none")


def _check_listing(asked: Asked) -> None:
    """SDK, PathROrId_validator: the root is '', not '/'."""
    path = asked.arg.get("path")
    if path == "/":
        raise bad_input(asked.route, 'path: Specify the root folder as an empty string rather than as "/".')
    if path:
        check_pattern(asked.route, path, read=True)
