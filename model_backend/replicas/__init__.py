"""Engines that run on this machine as child processes, by the name used in settings.

To add one: write it in a file of its own here, add a line below, run ``make check``.
"""

from collections.abc import Mapping
from typing import Final

from model_backend.replicas.base import Replica
from model_backend.replicas.llama import LlamaReplica
from model_backend.replicas.video import VideoReplica

REPLICAS: Final[Mapping[str, type[Replica]]] = {
    "llama": LlamaReplica,
    "video": VideoReplica,
}
