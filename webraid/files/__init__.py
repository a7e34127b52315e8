"""Files on this machine: reading trees (scan), writing them back safely (restore), comparing them.  No pool in here."""
