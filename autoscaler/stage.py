"""PLAN: windows, incidents, anomalies, pools and commands in; decisions and rules out.

All thinking is in planner.py.
"""

from functools import partial

from autoscaler.planner import Planner
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings
from streams.app import App
from streams.settings import StreamSettings
from streams.ticked import attach_ticked_stage


def attach(
    app: App,
    scaling: ScalingSettings,
    backend: BackendSettings,
    stream: StreamSettings,
    cluster: str = "local",
) -> None:
    """Run the ``Planner`` where partition 0 of `commands` is owned."""
    del stream  # the app knows it; given here because every stage is attached alike
    attach_ticked_stage(
        app,
        stage="plan",
        control_topic="commands",
        thinker=partial(Planner, scaling, backend, cluster=cluster),
        early="request",
    )
