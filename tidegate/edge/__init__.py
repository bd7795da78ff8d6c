"""`tidegate edge`: a site that windows and detects by itself, and sends when its line is up."""
