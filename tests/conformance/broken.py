"""Doubles that break one promise each, with the name of the check that must catch them."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from tests.conformance.doubles import ERRORS, SECRET, Server, Sound
from webraid.backend.base import Bytes, Digest
from webraid.errors import (
    AlreadyExists,
    AuthExpired,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid.model import Stored, Usage

BROKEN: list[tuple[str, type[Sound]]] = []


def breaks(check: str) -> Callable[[type[Sound]], type[Sound]]:
    """The check of that name must catch the class."""

    def mark(cls: type[Sound]) -> type[Sound]:
        BROKEN.append((check, cls))
        return cls

    return mark


# ----------------------------------------------------------------------------------------------------------- promises
@breaks("put_is_whole_or_not_at_all")
@breaks("every_size_comes_back")
class LosesTheLastByte(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.store.put(name, bytes(data)[:-1])
        return self.stored(name, data)


@breaks("put_is_whole_or_not_at_all")
@breaks("readers_during_an_overwrite_never_see_a_torn_object")
class ShowsHalves(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.store.put(name, bytes(data)[: len(data) // 2])
        time.sleep(0.01)
        return super().put(name, data, digest=digest)


@breaks("putting_again_leaves_one_object")
class KeepsTheFirst(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        return self.stored(name, data) if self.store.names(name) else super().put(name, data, digest=digest)


@breaks("putting_again_leaves_one_object")
@breaks("list_during_writes")
@breaks("sixteen_threads_putting_one_name_leave_one_whole_object")
class ListsEachVersion(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        for stored in super().list(prefix):
            yield from [stored] * int(stored.version)


@breaks("a_range_is_exact_or_an_error")
class ShortensRanges(Sound):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        return super().get(name)[offset:][:size]


@breaks("a_range_is_exact_or_an_error")
class GivesBytearrays(Sound):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> Any:
        return bytearray(super().get(name, offset=offset, size=size))


@breaks("a_range_is_exact_or_an_error")
class CountsFromOne(Sound):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        return super().get(name, offset=max(0, offset - 1), size=size)


@breaks("a_missing_name_is_object_not_found")
class SwallowsMissing(Sound):
    def stat(self, name: str, *, locator: str = "") -> Stored:
        try:
            return super().stat(name)
        except ObjectNotFound:
            return Stored(name, 0)


@breaks("delete_many_deletes_all_of_them_and_nothing_else")
class DeletesManyButOne(Sound):
    def delete_many(self, objects: Mapping[str, str]) -> None:
        for name in list(objects)[1:]:
            self.delete(name)


@breaks("delete_of_what_is_not_there_is_no_error")
class DeletesOnceOnly(Sound):
    def delete(self, name: str, *, locator: str = "") -> None:
        super().stat(name)
        super().delete(name)


@breaks("delete_of_what_is_not_there_is_no_error")
class DeletesFolders(Sound):
    def delete(self, name: str, *, locator: str = "") -> None:
        for below in self.store.names(name):
            super().delete(below)


@breaks("list_gives_every_name_under_the_prefix_once")
class ListsTwice(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        yield from super().list(prefix)
        yield from super().list(prefix)


@breaks("list_gives_every_name_under_the_prefix_once")
class ListsNeighbours(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        yield from super().list(prefix.rpartition("/")[0])


@breaks("list_gives_every_name_under_the_prefix_once")
class ListsWrongSizes(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        for stored in super().list(prefix):
            yield Stored(stored.name, 1)


@breaks("only_backend_error_and_its_children_come_out")
class LeaksOsError(Sound):
    def request(self, *, of_body: bool = False) -> None:
        try:
            super().request(of_body=of_body)
        except Unavailable:
            raise ConnectionResetError from None


@breaks("only_backend_error_and_its_children_come_out")
class LeaksKeyError(Sound):
    def stat(self, name: str, *, locator: str = "") -> Stored:
        body, _ = self.store.get(name)
        return self.stored(name, body)


@breaks("an_instance_is_used_by_one_thread_only")
class SharesBetweenInstances(Sound):
    names: ClassVar[list[str]] = []

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.names.append(name)
        time.sleep(0.001)
        super().put(self.names[-1], data, digest=digest)
        return self.stored(name, data)


@breaks("no_retries_inside")
class Retries(Sound):
    def request(self, *, of_body: bool = False) -> None:
        try:
            super().request(of_body=of_body)
        except Unavailable:
            super().request(of_body=of_body)


# ------------------------------------------------------------------------------------------------- objects and lists
@breaks("every_size_comes_back")
class TakesOnlyBytes(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if isinstance(data, memoryview):
            raise ProtocolError("no such type")
        return super().put(name, data, digest=digest)


@breaks("prepare_may_be_called_again")
class PreparesByWiping(Sound):
    def prepare(self) -> None:
        self.store.restore({})


@breaks("names_at_the_limits")
class HasShortNames(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if len(name) > 199:
            raise Misconfigured("too long")
        return super().put(name, data, digest=digest)


@breaks("names_at_the_limits")
class CutsNames(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        super().put(name.rstrip("0123456789"), data, digest=digest)
        return self.stored(name, data)


@breaks("sixteen_threads_putting_one_name_leave_one_whole_object")
class MixesBodies(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        old = self.store.get(name)[0] if name in self.store.names() else b""
        self.store.put(name, bytes(data)[:1000] + old[1000:])
        return self.stored(name, data)


@breaks("sixteen_threads_putting_one_name_leave_one_whole_object")
class LocksForGood(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        raise Unavailable("locked")


@breaks("hashes_are_those_of_the_bytes")
class TellsWrongHashes(Sound):
    def stat(self, name: str, *, locator: str = "") -> Stored:
        return Stored(name, super().stat(name).size, hashes=(("sha256", "0" * 64),))


@breaks("hashes_are_those_of_the_bytes")
class TellsNoHashesInLists(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        for stored in super().list(prefix):
            yield Stored(stored.name, stored.size)


@breaks("a_wrong_digest_is_refused_or_reported")
@breaks("bytes_damaged_on_the_way_up_are_not_verified")
class VerifiesAnything(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.store.put(name, bytes(data))
        return Stored(name, memoryview(data).nbytes, verified=True)


@breaks("usage_is_plausible")
class UsesMoreThanThereIs(Sound):
    def usage(self) -> Usage:
        return Usage(used=2, free=1, total=1)


@breaks("usage_is_plausible")
class TellsNoUsage(Sound):
    def usage(self) -> Usage:
        return Usage()


@breaks("list_of_nothing_is_empty")
class ListsPhantoms(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        yield Stored(f"{prefix}phantom", 0)


@breaks("list_longer_than_a_page")
class ListsOnePage(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        yield from list(super().list(prefix))[:100]


@breaks("list_during_writes")
class HidesWhatIsOverwritten(Sound):
    def list(self, prefix: str) -> Iterator[Stored]:
        yield from (stored for stored in super().list(prefix) if int(stored.version) == 1)
        time.sleep(0.005)


# ------------------------------------------------------------------------------------------------------------- faults
def _wrong(fault: str, error: Callable[[], BackendError]) -> type[Sound]:
    return type(f"TakesFor_{fault}", (Sound,), {"errors": {**ERRORS, fault: error}})


for _fault, _check, _error in (
    ("refuse", "a_server_that_is_gone_is_unavailable", ObjectNotFound("gone")),
    ("busy", "a_busy_server_is_worth_another_try", ProtocolError("503")),
    ("limited", "too_many_requests_is_rate_limited", Unavailable("429")),
    ("limited", "too_many_requests_is_rate_limited", RateLimited("429", retry_after=1.0)),
    ("limited_for_7", "retry_after_is_handed_on", RateLimited("429")),
    ("expired", "keys_that_are_not_valid_need_the_user", Unavailable("403")),
    ("reset_before", "a_reset_is_unavailable", ProtocolError("reset")),
    ("reset_within", "a_reset_within_a_body_is_unavailable", ProtocolError("reset")),
    ("truncated", "a_truncated_body_is_an_error", ObjectNotFound("short")),
    ("slow", "a_body_that_stops_is_given_up", ProtocolError("slow")),
):
    BROKEN.append((_check, _wrong(_fault, lambda error=_error: error)))  # type: ignore[misc]


@breaks("a_truncated_body_is_an_error")
@breaks("a_body_that_stops_is_given_up")
@breaks("a_reset_within_a_body_is_unavailable")
class GivesTheFirstHalf(Sound):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        try:
            return super().get(name, offset=offset, size=size)
        except Unavailable:
            return self.store.get(name)[0][: (size or 2) // 2]


@breaks("one_refusal_does_not_stick")
class StaysExpired(Sound):
    def recover(self) -> None:
        pass


@breaks("a_full_disk_can_still_be_read")
class BecomesUnavailableWhenFull(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        try:
            return super().put(name, data, digest=digest)
        except QuotaExceeded:
            raise Unavailable("full") from None


@breaks("a_full_disk_can_still_be_read")
class DropsTheOldWhenFull(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.store.discard(name)
        return super().put(name, data, digest=digest)


@breaks("a_lost_answer_may_be_repeated")
class RefusesTheSecond(Sound):
    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name in self.store.names():
            raise AlreadyExists("there")
        return super().put(name, data, digest=digest)


@breaks("damaged_bytes_keep_their_length")
class DropsDamagedBytes(Sound):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        return super().get(name, offset=offset, size=size)[1 if self.server.fault == "flipped_down" else 0 :]


# ------------------------------------------------------------------------------------------------------------ hygiene
@breaks("no_secret_in_logs_or_repr")
class LogsItsSecret(Sound):
    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        logging.getLogger("some.sdk").debug("Authorization: %s", SECRET)
        return super().get(name, offset=offset, size=size)


@breaks("no_secret_in_logs_or_repr")
class ShowsItsSecret(Sound):
    def __repr__(self) -> str:
        return f"ShowsItsSecret({SECRET})"


@breaks("no_secret_in_logs_or_repr")
class SaysItsSecret(Sound):
    errors: ClassVar = {**ERRORS, "expired": lambda: AuthExpired("keys", hint=f"not {SECRET}")}


@breaks("close_leaves_no_thread_and_no_child")
class LeavesAThread(Sound):
    def __init__(self, server: Server) -> None:
        super().__init__(server)
        threading.Thread(target=server.end.wait, daemon=True).start()


@breaks("close_leaves_no_thread_and_no_child")
class LeavesAChild(Sound):
    def __init__(self, server: Server) -> None:
        super().__init__(server)
        server.left.append(subprocess.Popen(["sleep", "60"]))
