"""How many points each sweep must have run: together at least a thousand, whatever becomes of a single deed."""

LEAST = {
    "first put": 105,
    "second put": 85,
    "put while a disk is down": 65,
    "put again, early": 100,
    "put again": 100,
    "put again, late": 90,
    "first disk": 60,
    "fourth disk": 80,
    "fourth disk again, early": 75,
    "fourth disk again": 65,
    "fourth disk again, late": 40,
    "recover": 70,
    "recover again, early": 60,
    "recover again, late": 15,
    "repair": 40,
    "put with checkpoints": 40,
    "put with checkpoints, again": 20,
}
