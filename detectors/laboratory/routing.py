"""Who waits and where there is room in, who gets what out: as gateways route."""

import math
from typing import Final

import numpy as np

from streams.windows.table import Floats, Ints

BOUND: Final = 1.25
"""A replica that requests are kept to takes them up to so many times the mean in flight."""


def least_in_flight(replicas: Ints, in_flight: Ints, slots: Floats) -> Ints:
    """Replicas in the order in which they take the next requests, as long as there is room."""
    free = np.maximum(slots - in_flight, 0).astype(np.int64)
    who = np.repeat(np.arange(replicas.size), free)
    level = np.arange(who.size) - np.repeat(np.cumsum(free) - free, free) + in_flight[who]
    return replicas[who[np.argsort(level, kind="stable")]]


def kept_at_home(replicas: Ints, in_flight: Ints, slots: Floats, place: Floats) -> Ints:
    """Each request at the replica of its place on a ring, or the next one with room.

    place: of each request, from 0 to 1. Hashing with bounded loads (Mirrokni, Thorup and
    Zadimoghaddam 2018): whoever has more than its share in flight is passed over.

    >>> two = np.array([0, 1])
    >>> kept_at_home(two, np.array([0, 0]), np.array([9.0, 9.0]), np.array([0.9, 0.9, 0.9]))
    array([1, 1, 0])
    """
    held, chosen = in_flight.copy(), []
    for at in (place * replicas.size).astype(np.int64).tolist():
        share = math.ceil(BOUND * (held.sum() + 1) / replicas.size)
        ring = (at + np.arange(replicas.size)) % replicas.size
        able = ring[held[ring] < np.minimum(slots[ring], share)]
        if not able.size:
            break
        held[able[0]] += 1
        chosen.append(able[0])
    return replicas[np.array(chosen, np.int64)]
