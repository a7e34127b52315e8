"""Scheduled runs under a profile: that of [schedule], unless a flag or the environment says another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unattended.conftest import Night
from webraid.errors import EXIT_OK, ConfigError
from webraid.jobs.base.events import ignore
from webraid.jobs.base.settings import Settings
from webraid.unattended.calling import lacking
from webraid.unattended.run import _config, run_schedule

PROFILES = """
[profile.night.limits]
upload = "0"
[profile.night.hooks]
before = ["echo night >> {told}"]
[profile.day.hooks]
before = ["echo day >> {told}"]
"""


def told(night: Night, **environ: str) -> str:
    """Which profile the hooks of a run were those of."""
    path = night.root / "told"
    path.unlink(missing_ok=True)
    where = Settings(night.settings.places, {**night.environ, **environ}, night.clock.env, on_event=ignore)
    assert run_schedule(where, jobs=("put",)).code == EXIT_OK
    return path.read_text().strip() if path.exists() else ""


def test_a_scheduled_run_is_under_the_profile_of_the_schedule_unless_another_is_named(night: Night) -> None:
    night.says(PROFILES.format(told=night.root / "told"))
    assert told(night) == ""
    assert told(night, WEBRAID_PROFILE="day") == "day"
    night.says('[schedule]\nprofile = "night"\n[limits]\nupload = "1 MiB/s"')
    assert told(night) == "night"
    assert told(night, WEBRAID_PROFILE="day") == "day"
    assert told(night, WEBRAID_PROFILE="") == ""


def test_the_jobs_of_such_a_run_keep_to_its_limits(night: Night) -> None:
    night.says(PROFILES.format(told=night.root / "told"))
    night.says('[schedule]\nprofile = "night"\n[limits]\nupload = "1 MiB/s"\ndownload = "2 MiB/s"')
    settings, config = _config(night.settings)
    assert (config.limits.upload, config.limits.download, config.profile) == ("0", "2 MiB/s", "night")
    assert settings.environ["WEBRAID_PROFILE"] == "night"  # so that each job's pool is opened under it, too


def test_a_schedule_without_its_profile_is_refused_and_logged(night: Night) -> None:
    night.says('[schedule]\nprofile = "night"')
    with pytest.raises(ConfigError, match="no profile 'night'"):
        night.run("put")
    assert "no profile 'night'" in night.log


def test_an_install_under_another_profile_says_that_runs_are_not(night: Night, tmp_path: Path) -> None:
    night.says(PROFILES.format(told=tmp_path / "told"))
    under = Settings(night.settings.places, {**night.environ, "WEBRAID_PROFILE": "day"}, night.clock.env)
    assert any("profile day" in note for note in lacking(_config(under)[1]))
    assert not any("profile" in note for note in lacking(_config(night.settings)[1]))
