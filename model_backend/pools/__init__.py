"""Who starts and stops the replicas of a pool, by the name used in settings.

To add one: write it in a file of its own here, add a line below, run ``make check``.
"""

from collections.abc import Mapping
from typing import Final

from model_backend.pools.base import PoolDriver
from model_backend.pools.dry_run import DryRunPool
from model_backend.pools.process import ProcessPool

POOL_DRIVERS: Final[Mapping[str, type[PoolDriver]]] = {
    "dry_run": DryRunPool,
    "process": ProcessPool,
}
