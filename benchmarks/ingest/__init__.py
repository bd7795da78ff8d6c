"""INGEST against its peers on a real Apache Kafka: the same windows, their cost and latency."""
