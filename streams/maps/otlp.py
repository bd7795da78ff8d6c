"""OTLP in messages of a topic, as collectors write it: records of ours out."""

from collections.abc import Sequence

from streams.errors import CorruptMessageError
from streams.receive.genai import Naming, events
from streams.receive.otlp import Encoding, Otlp
from streams.receive.pages import Pages
from streams.receive.settings import ReceiveSettings
from streams.schemas.telemetry import EngineSample
from streams.windows.check import Reject

_EVER_US = 2**62
_TOTALS = (
    "totals since a start need a memory: name the topic in receive.metric_topics, or let the "
    "collector's `cumulativetodelta` make changes"
)


class OtlpFormat:
    """A ``Format`` whose documents are records already: samples of metrics, or events of spans."""

    def __init__(
        self,
        encoding: Encoding,
        settings: ReceiveSettings,
        cluster: str,
        *,
        of_spans: bool,
    ) -> None:
        self._encoding = encoding
        self._naming = Naming(
            cluster=cluster, pool=settings.span_pool_attributes, tenant=settings.tenant_attributes
        )
        self._otlp = Otlp(self._naming, settings.pool_labels, settings.replica_labels)
        self._read = self._events if of_spans else self._samples

    def documents(self, value: bytes) -> Sequence[object]:
        try:
            return self._read(value)
        except CorruptMessageError as exc:
            return [Reject("corrupt_frame", str(exc))]

    def _events(self, value: bytes) -> Sequence[object]:
        found: list[object] = []
        for span in self._otlp.traces(value, self._encoding).spans:
            said = events(span, self._naming)
            found += [Reject("wrong_type", said)] if isinstance(said, str) else said
        return found

    def _samples(self, value: bytes) -> Sequence[object]:
        """Nothing is remembered from one message to the next, so that a restart changes nothing."""
        read, pages = self._otlp.metrics(value, self._encoding), Pages(self._naming.cluster)
        refused = read.refused
        for point in read.points:
            why = _TOTALS if point.kind == "total" else pages.take(point, 0)
            if why is not None:
                refused[why] += 1
        rejects = [Reject("wrong_type", f"{count} points: {why}") for why, count in refused.items()]
        samples = [one for one in pages.due(_EVER_US) if isinstance(one, EngineSample)]
        return [*samples, *rejects]
