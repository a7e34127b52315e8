"""The conformance suite: what every kind of disk must do, as plain functions that anyone can run on their own.

A plug-in's test is ten lines:

    subject = Subject(open=lambda: MyBackend.connect(options, secrets), caps=MyBackend.caps, prefix="scratch/")

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_backend_keeps_its_promises(check):
        result = run_check(subject, check)
        assert result.outcome != "failed", result.detail

``webraid backend test NAME`` runs the same list on a live account, in a scratch folder that it removes again.
"""

from __future__ import annotations

from webraid.backend.conformance.promises import PROMISES
from webraid.backend.conformance.run import Outcome, Result, run_check, run_checks
from webraid.backend.conformance.subject import FAULTS, Check, Subject, scratch_prefix
from webraid.backend.conformance.suite import CHECKS

__all__ = [
    "CHECKS",
    "FAULTS",
    "PROMISES",
    "Check",
    "Outcome",
    "Result",
    "Subject",
    "run_check",
    "run_checks",
    "scratch_prefix",
]
