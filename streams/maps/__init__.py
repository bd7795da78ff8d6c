"""Topics that others write: how their messages become our records.

``settings``: what is written in YAML. ``expression``, ``mapping``: a document -> a record, pure.
``formats``: bytes -> documents, one member per format. ``reading``: what INGEST decodes them with.
"""
