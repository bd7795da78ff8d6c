"""Where targets come from, by the scheme of a line in ``scrape.targets``.

To add one: write it in a file of its own here, add a case below, run ``make check``.
``polled`` is what those have in common that look again and again, ``srv`` asks a name server.
"""

from pathlib import Path

from streams.errors import InvalidParameterError
from streams.sources.discovery.base import Discovery
from streams.sources.discovery.files import FileLookup
from streams.sources.discovery.kubernetes import KubernetesPods
from streams.sources.discovery.names import AddressLookup, ServiceLookup, SystemResolver
from streams.sources.discovery.polled import Lookup, Polled
from streams.sources.discovery.static import Static
from streams.sources.kubernetes.api import api_at
from streams.sources.settings import ScrapeSettings
from streams.sources.targets import labels_of, shown


def discovery(line: str, cluster: str, scrape: ScrapeSettings) -> Discovery:
    """What a line of ``scrape.targets`` means. Raises InvalidParameterError."""
    address, *words = line.split() or [""]
    labels = labels_of(words)
    scheme, _, rest = address.partition("://")
    match scheme:
        case "http" | "https":
            return Static(address, labels, cluster)
        case "kubernetes":
            return KubernetesPods(address, labels, cluster, api=api_at(scrape))
        case "file":
            lookup: Lookup = FileLookup(Path(rest), labels, cluster)
        case "dns+http" | "dns+https":
            lookup = AddressLookup(address[4:], labels, cluster, SystemResolver())
        case "srv+http" | "srv+https":
            lookup = ServiceLookup(address[4:], labels, cluster, SystemResolver())
        case _:
            known = "http, https, dns+http, srv+http, kubernetes or file"
            raise InvalidParameterError("target", shown(address), f"an address with {known}")
    return Polled(lookup, name=address, every_s=scrape.discover_every_s)
