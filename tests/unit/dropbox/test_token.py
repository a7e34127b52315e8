"""The access token that all threads of an account share."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from webraid.env import Env
from webraid.errors import AuthExpired
from webraid_dropbox.client import Token


class Source:
    """Tokens '1', '2'...; ``lasting`` seconds each."""

    def __init__(self, lasting: float = 14400.0) -> None:
        self.calls = 0
        self.lasting = lasting
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False

    def __call__(self) -> tuple[str, float]:
        self.calls += 1
        number = self.calls
        self.begun.set()
        assert self.gate.wait(10)
        if self.failing:
            raise AuthExpired("revoked")
        return str(number), self.lasting


def test_a_token_is_fetched_once_and_kept() -> None:
    token, source = Token("r"), Source()
    assert [token.access(source) for _ in range(3)] == ["1", "1", "1"]


def test_a_token_is_replaced_some_minutes_before_its_end() -> None:
    clock = [0.0]
    token, source = Token("r", replace(Env(), monotonic=lambda: clock[0])), Source(lasting=1000.0)
    assert token.access(source) == "1"
    clock[0] = 699.0
    assert token.access(source) == "1"
    clock[0] = 700.0
    assert token.access(source) == "2"


def test_even_a_short_lived_token_is_used_for_a_while() -> None:
    clock = [0.0]
    token, source = Token("r", replace(Env(), monotonic=lambda: clock[0])), Source(lasting=100.0)
    assert token.access(source) == "1"
    clock[0] = 49.0
    assert token.access(source) == "1"
    clock[0] = 50.0
    assert token.access(source) == "2"


def test_a_token_that_the_server_calls_expired_is_replaced_once_for_all() -> None:
    token, source = Token("r"), Source()
    stale = token.access(source)
    assert [token.access(source, stale=stale) for _ in range(8)] == ["2"] * 8


def test_a_new_login_replaces_the_token() -> None:
    token, source = Token("r"), Source()
    assert token.access(source) == "1"
    token.renew("r")
    assert token.access(source) == "1"
    token.renew("another")
    assert (token.access(source), token.refresh) == ("2", "another")


def test_who_waited_for_a_fetch_shares_its_error_and_the_next_tries_again() -> None:
    token, source = Token("r"), Source()
    source.failing = True
    source.gate.clear()
    errors: list[AuthExpired] = []

    def one() -> None:
        with pytest.raises(AuthExpired) as raised:
            token.access(source)
        errors.append(raised.value)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert source.begun.wait(10)
    threading.Event().wait(0.03)  # the others wait by now
    source.gate.set()
    for thread in threads:
        thread.join()
    assert len(errors) == len({id(error) for error in errors}) == 8
    assert source.calls < 8
    source.failing, calls = False, source.calls
    assert token.access(source) == str(calls + 1)


def test_a_token_does_not_show_itself() -> None:
    assert "secret" not in repr(Token("secret"))
