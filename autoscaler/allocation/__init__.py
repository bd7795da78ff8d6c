"""Who gets the GPUs when there are fewer than all pools ask for."""
