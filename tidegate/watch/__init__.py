"""`tidegate watch URL…`: a first look at engines, nodes or a Prometheus, in one process."""
