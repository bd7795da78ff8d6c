"""Histories of requests in files: rows of any of the known kinds in, request events out.

``tables`` opens a file, ``kinds`` knows whose columns mean what, ``demand`` reads what is already
summed up, ``events`` makes of rows what a service would have sent, in the order of event time.
"""
