"""Says each thing once, until it is mended."""

from __future__ import annotations

import logging

_LOG = logging.getLogger("tidegate_client")


class Complaints:
    """A service's log is not the place to repeat oneself."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def complain(self, about: str, sentence: str) -> None:
        if about not in self._said:
            self._said.add(about)
            _LOG.warning(sentence)

    def mended(self, about: str, sentence: str) -> None:
        if about in self._said:
            self._said.discard(about)
            _LOG.info(sentence)
