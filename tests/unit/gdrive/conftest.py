"""A fake Drive and disks on it, each test its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.drive import CLIENT, FakeDrive, fake_drive
from tests.fakes.oauth import Client
from webraid.backend.login import Secrets
from webraid.env import Env
from webraid_gdrive import DriveBackend, DriveOptions

OpenDisk = Callable[..., DriveBackend]


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with fake_drive() as made:
        yield made


@pytest.fixture
def secrets(drive: FakeDrive) -> dict[str, str]:
    return {"client_secret": drive.client_json(), "token": drive.token_json()}


@pytest.fixture
def open_disk(drive: FakeDrive, secrets: dict[str, str]) -> Iterator[OpenDisk]:
    """A disk that is ready.  ``elsewhere``: as another machine sees it, which shares nothing with this process."""
    opened: list[DriveBackend] = []

    def make(
        *, elsewhere: bool = False, client: Client = CLIENT, env: Env | None = None, name: str = "", **options: object
    ) -> DriveBackend:
        given = {"endpoint": drive.url, "timeout": 10.0, **options}
        own = {"client_secret": drive.client_json(client), "token": drive.token_json(client)}
        held = Secrets(own if elsewhere or client is not CLIENT else secrets, disk=name)
        opened.append(DriveBackend.connect(DriveOptions(**given), held, env))  # type: ignore[arg-type]
        return opened[-1]

    make().prepare()
    yield make
    for backend in opened:
        backend.close()


@pytest.fixture
def disk(open_disk: OpenDisk) -> DriveBackend:
    return open_disk()
