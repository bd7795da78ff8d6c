"""Recordings: copied from a running system, and run through the same code again."""
