"""Hours of load with a million distinct series, and whether all stays flat meanwhile."""
