"""What may go: forget, prune, stats."""
