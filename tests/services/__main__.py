"""Prepare the services named, or all of them; exit code 1 if one cannot be had."""

import sys

from tests.services import SERVICES, Missing
from tests.services.base import say


def main(names: list[str]) -> int:
    failed = 0
    for name in names or list(SERVICES):
        try:
            say(f"{name}: {SERVICES[name].prepare()}")
        except Missing as exc:
            say(f"{name}: {exc}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
