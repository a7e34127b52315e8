"""Simulated clouds on the loopback: bandwidth, latency, faults.  For `webraid lab`, the demo, tests and benchmarks."""

from __future__ import annotations

from webraid.lab.lab import Cloud, Lab, open_lab, start
from webraid.lab.profiles import PROFILES, Group, LinkSpec, Profile

__all__ = ["PROFILES", "Cloud", "Group", "Lab", "LinkSpec", "Profile", "open_lab", "start"]
