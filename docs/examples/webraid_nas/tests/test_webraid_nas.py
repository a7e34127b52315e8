"""The whole conformance suite on a NAS that NAS_HOST, NAS_PORT, NAS_USER and NAS_PASSWORD name."""

import os

import pytest
from webraid_nas import NasBackend, NasOptions

from webraid.backend.conformance import CHECKS, Subject, run_check

OPTIONS = NasOptions(os.environ["NAS_HOST"], os.environ["NAS_USER"], port=int(os.environ["NAS_PORT"]))
SECRETS = {"password": os.environ["NAS_PASSWORD"]}
SUBJECT = Subject(open=lambda: NasBackend.connect(OPTIONS, SECRETS), caps=NasBackend.caps, prefix="scratch/", page=100,
                  secrets=tuple(SECRETS.values()), shown=(OPTIONS, OPTIONS.with_secrets(SECRETS)))  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_nas_keeps_its_promises(check):
    with SUBJECT.opened() as backend:
        backend.prepare()
    result = run_check(SUBJECT, check)
    assert result.outcome != "failed", result.detail
