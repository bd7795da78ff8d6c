"""Real services for the tests: fetched or built once into a cache, started on free loopback ports.

``python -m tests.services`` prepares all; ``python -m tests.services kafka`` one of them.
"""

from tests.services.base import Missing, Service, cache_dir
from tests.services.browser import Chromium
from tests.services.influx import Influx
from tests.services.kafka import Kafka
from tests.services.kubernetes import Kubernetes
from tests.services.prometheus import Prometheus
from tests.services.registry import Registry

SERVICES: dict[str, type[Service]] = {
    "chromium": Chromium,
    "influx": Influx,
    "kafka": Kafka,
    "kubernetes": Kubernetes,
    "prometheus": Prometheus,
    "registry": Registry,
}

__all__ = [
    "SERVICES",
    "Chromium",
    "Influx",
    "Kafka",
    "Kubernetes",
    "Missing",
    "Prometheus",
    "Registry",
    "Service",
    "cache_dir",
]
