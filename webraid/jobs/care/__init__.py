"""Damage found and mended: check, scrub, repair."""
