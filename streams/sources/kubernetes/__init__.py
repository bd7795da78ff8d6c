"""What Kubernetes knows of what serves: pods to scrape, and what somebody changed.

``api`` lists and watches over HTTP; ``line`` says which pods are meant and what their pool is.
Pure: ``workloads`` (with ``template``), ``pods`` and ``nodes`` compare what was with what is and
tell changes; ``compared`` remembers; ``changes`` puts all together.
"""
