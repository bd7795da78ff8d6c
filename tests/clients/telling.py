"""What a client has said, read from the frames that its broker got."""

from typing import Any

from tidegate_client import Client

from tests.clients.world import Broker, decoded, world


class Told:
    """A client whose broker is at hand."""

    def __init__(self, **settings: Any) -> None:
        self.broker = Broker()
        self.client = Client(world=world(self.broker), **settings)

    def events(self) -> list[dict[str, Any]]:
        """All that was said, in order."""
        self.client.close(5.0)
        taken = self.broker.taken
        return [event for frame in taken for event in decoded(frame.topic, frame.data)[1]]

    def kinds(self) -> list[str]:
        """What became of requests: kind, and status and reason if there is one."""
        found = []
        for event in self.events():
            status, reason = event["status"] or "", event["reason"]
            found.append(f"{event['kind']} {status} {reason}".strip())
        return found
