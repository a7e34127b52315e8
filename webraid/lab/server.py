"""The lab's process: ``python -m webraid.lab.server DIRECTORY``, with {"profile": ..., "seed": ...} on standard input.

Detaches itself, then says {} (or {"error", "hint"}) on standard output once every cloud listens; lab.json has the rest.
Ends on 'quit', SIGTERM, SIGINT, and when its folder is removed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from webraid.env import Env
from webraid.errors import ConfigError
from webraid.lab.account import HOST, Account
from webraid.lab.control import Control
from webraid.lab.link import Keys, Link
from webraid.lab.place import Place, Record, Seat
from webraid.lab.profiles import Profile
from webraid.lab.store import Store
from webraid.lab.wire import Pipe

WATCH = 1.0  # seconds between two looks whether the folder is still there


class Server:
    """All clouds of one lab, and the control channel."""

    def __init__(self, place: Place, profile: Profile, seed: int, env: Env) -> None:
        self._place, self._profile, self._seed, self._env = place, profile, seed, env
        self._accounts: dict[str, Account] = {}
        self._token = env.random(32).hex()
        self._control: asyncio.Server | None = None
        self._done = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Listen everywhere and write lab.json.  Raises ConfigError when a remembered port is taken."""
        old = self._place.read()
        lines = {name: (Pipe(group.up), Pipe(group.down)) for name, group in self._profile.groups.items()}
        for name, spec in self._profile.clouds.items():
            seat = old.seats[name] if old and name in old.seats else self._new_seat()
            store = Store(self._place.directory / name, self._env)
            link = Link(spec, store, Keys(seat.access_key, seat.secret_key), loop=self._loop, env=self._env,
                        rng=random.Random(f"{self._seed}/{name}"), lines=lines.get(spec.group))  # fmt: skip
            self._accounts[name] = Account(name, spec, link, seat.bucket, seat.port)
            await self._accounts[name].open()
        control = self._control = await self._loop.create_server(lambda: Control(self._token, self._command), HOST, 0)
        seats = {
            name: Seat(account.port, account.link.keys.access_key, account.link.keys.secret_key, account.bucket)
            for name, account in self._accounts.items()
        }
        retired = {name: seat for name, seat in old.seats.items() if name not in seats} if old else {}
        port = control.sockets[0].getsockname()[1]
        seats = {**retired, **seats}  # a cloud that this profile lacks may come back with the next one
        self._place.write(Record(os.getpid(), port, self._token, self._seed, self._profile, seats))

    async def serve(self) -> None:
        """Until told to end."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._done.set)
        self._watch()
        await self._done.wait()
        for account in self._accounts.values():
            account.hang_up()

    def _watch(self) -> None:
        """A lab whose folder was removed ends by itself: nobody could reach its control channel any more."""
        if self._place.record_path.exists():
            self._loop.call_later(WATCH, self._watch)
        else:
            self._done.set()

    def _new_seat(self) -> Seat:
        return Seat(0, "LAB" + self._env.random(8).hex().upper(), self._env.random(20).hex())

    def _account(self, arguments: dict[str, Any]) -> Account:
        name = str(arguments.get("name", ""))
        if name not in self._accounts:
            raise ConfigError(f"this lab has no cloud {name!r}", hint=f"Its clouds: {', '.join(self._accounts)}.")
        return self._accounts[name]

    async def _command(self, command: str, arguments: dict[str, Any]) -> object:
        if command == "clouds":
            return {name: self._described(account) for name, account in self._accounts.items()}
        if command == "stats":
            return {name: account.stats() for name, account in self._accounts.items()}
        if command == "reset":
            for account in self._accounts.values():
                account.reset_stats()
            return None
        if command == "quit":
            self._loop.call_soon(self._done.set)
            return os.getpid()
        return await self._command_for(self._account(arguments), command, arguments)

    async def _command_for(self, account: Account, command: str, arguments: dict[str, Any]) -> object:
        if command == "tune":
            spec = account.link.spec.changed(dict(arguments["fields"]))
            if spec.group != account.usual.group:
                raise ConfigError("a cloud cannot change its group while the lab runs", hint="Write a profile.")
            await account.tune(spec)
        elif command == "restore":
            await account.tune(account.usual)
        elif command == "wipe":
            account.wipe()
        else:
            raise ConfigError(f"the lab knows no command {command!r}", hint="Was it started by another version?")
        return self._described(account)

    @staticmethod
    def _described(account: Account) -> dict[str, object]:
        spec = account.link.spec
        return {"state": account.state, "up": spec.up, "down": spec.down, "rtt": spec.rtt}


async def _live(place: Place, profile: Profile, seed: int) -> None:
    server = Server(place, profile, seed, Env())
    await server.open()
    _report({})
    await server.serve()


def _report(message: dict[str, object]) -> None:
    """Tell who started us; after that nobody listens."""
    os.write(1, json.dumps(message).encode())
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.close(nothing)


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if most == resource.RLIM_INFINITY else min(8192, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def main(directory: str) -> None:
    """The process from its first breath to its last."""
    raw = json.loads(sys.stdin.read())
    if os.fork():  # the starter must neither wait for us nor be left with a zombie
        os._exit(0)
    os.setsid()
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    place = Place(Path(directory))
    claim = place.occupy()
    if claim is None:
        _report({"error": f"a lab runs in {place.directory} already", "hint": "Take it down first."})
        return
    _raise_file_limit()
    failure: dict[str, object] = {}
    with claim:
        try:
            asyncio.run(_live(place, Profile.parse(raw["profile"]), int(raw["seed"])))
        except ConfigError as error:
            failure = {"error": str(error), "hint": error.hint}
    if failure:  # told only now: whoever hears it finds the folder free
        _report(failure)


if __name__ == "__main__":
    main(sys.argv[1])
