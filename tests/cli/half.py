"""A kind of disk whose library is not installed."""

from acme_sdk_nobody_has import Half  # type: ignore[import-not-found]  # noqa: F401  that is the point
