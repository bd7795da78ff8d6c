"""RESPOND: anomalies, windows, changes, pools and commands in, incidents out."""

from detectors.incidents.lifecycle import LifecycleRules
from detectors.incidents.respond import Respond
from detectors.settings import DetectionSettings
from streams.batched import App
from streams.ticked import attach_ticked_stage


def attach(app: App, settings: DetectionSettings, *, cluster: str = "local") -> None:
    """Run RESPOND while this worker owns the single partition of `feedback`.

    cluster: whose anomalies are meant where their labels name none.
    """
    rules = LifecycleRules(resolves_after_s=settings.incident_resolves_after_s)
    attach_ticked_stage(
        app,
        stage="respond",
        control_topic="feedback",
        thinker=lambda: Respond(rules, cluster=cluster),
        # An incident has to come out the same whoever was down meanwhile.
        stall_us=None,
    )
