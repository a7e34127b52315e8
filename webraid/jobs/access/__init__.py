"""Who may: pools made and recovered, keys, recovery kits, machines and their rights."""
