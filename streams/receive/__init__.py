"""What is pushed to us over HTTP: OTLP metrics and traces, Prometheus remote write, changes.

``app``: the door. ``bodies``: bytes within limits. ``otlp``, ``remote_write``: what bodies say, as
points and spans. ``pages``: points -> engine samples. ``genai``: spans -> request events.
``hooks``: what CI says -> changes, through the doors of ``changes``.
"""
