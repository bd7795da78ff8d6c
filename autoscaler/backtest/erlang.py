"""Erlang's delay formula: who must wait with so many servers, and how many keep waits short."""

import math


def waiting_probability(servers: int, load: float) -> float:
    """``P(wait > 0)`` in M/M/c with ``load`` erlangs.

    >>> round(waiting_probability(10, 8.0), 4)
    0.4092
    """
    if load >= servers:
        return 1.0
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def servers(load: float, service_s: float, slo_s: float, late_ratio: float) -> int:
    """The fewest with ``P(wait > slo_s) ≤ late_ratio``, within half a percent.

    >>> servers(80.0, 5.0, 1.0, 0.01)
    93
    """
    count = int(load) + 1
    while True:
        late = waiting_probability(count, load) * math.exp(-(count - load) / service_s * slo_s)
        if late <= late_ratio:
            return count
        count += max(1, int(0.005 * count))
