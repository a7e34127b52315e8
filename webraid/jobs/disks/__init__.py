"""The disks of the pool: added, logged in, told apart, given roles."""
