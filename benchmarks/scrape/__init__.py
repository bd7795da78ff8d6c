"""What scraping many engines costs: ``python -m benchmarks.scrape``."""
