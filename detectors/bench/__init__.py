"""Detectors judged on labelled data: the sets, the scores, the peers, what is said of them."""
