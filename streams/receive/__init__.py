"""What is pushed to us over HTTP: OTLP metrics and traces, Prometheus remote write.

``app``: the door. ``bodies``: bytes within limits. ``otlp``, ``remote_write``: what bodies say, as
points and spans. ``pages``: points -> engine samples. ``genai``: spans -> request events.
"""
