"""What ``tidegate-client`` adds to a request."""
