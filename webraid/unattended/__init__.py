"""Runs that nobody watches: schedules, hooks, notifications, metrics, logs."""
