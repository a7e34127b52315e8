"""Where the pool stands: status, durability, doctor."""
