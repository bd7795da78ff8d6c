"""What one replica behind a URL can carry, found out by asking it."""
