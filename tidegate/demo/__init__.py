"""The demo of `tidegate up`: real traffic, faults with a known truth, and the story they tell."""
