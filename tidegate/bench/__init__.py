"""`tidegate bench`: Tidegate measured against others, on data of the past or of a laboratory.

To add one: write it in a file of its own here, add a line to the list in ``command``.
"""
