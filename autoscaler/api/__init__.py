"""The control API: reads a view built from topics, publishes commands, never touches a driver."""
