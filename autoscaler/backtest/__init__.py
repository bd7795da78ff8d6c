"""A pool's past, lived through again under other policies."""
