"""Programs that use the client, for tests that need a process of their own."""

import json
import os
import sys
from collections import Counter

from tidegate_client import Client
from tidegate_client.backlog import Frame

from tests.clients.world import Broker, world


def forked() -> None:
    """Parent and child each send what is theirs, under a boot of their own."""
    broker = Broker()
    client = Client(world=world(broker))
    client.request(pool="parent")
    client.flush(5.0)
    client.request(pool="parent")
    child = os.fork()
    if not child:
        link = broker.links[0]
        for _ in range(3):
            client.request(pool="child")
        client.close(5.0)
        say(child=records(broker.taken[1:]), abandoned=link.abandoned)
        os._exit(0)
    os.waitpid(child, 0)
    client.close(5.0)
    say(parent=records(broker.taken))


def exiting(broker: str, spool: str) -> None:
    """Ends without a word while nobody is at the broker's door."""
    client = Client(broker=broker, spool_dir=spool, exit_s=0.2)
    for _ in range(7):
        client.request(pool="chat")


def records(frames: list[Frame]) -> Counter[str]:
    """Of each boot."""
    found: Counter[str] = Counter()
    for frame in frames:
        found[frame.boot] += frame.records
    return found


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "forked":
        forked()
    else:
        exiting(*sys.argv[2:])
