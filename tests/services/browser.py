"""Chromium and ChromeDriver from Debian's packages."""

import os
import shutil
from pathlib import Path

from tests.services.base import Missing, Service, call, say


class Chromium(Service):
    """Nothing to start: selenium runs the driver."""

    size = "about 110 MB download"

    @classmethod
    def prepare(cls) -> Path:
        if cls._driver() is None:
            if shutil.which("apt-get") is None or os.geteuid() != 0:
                raise Missing(
                    "chromium is not installed; sudo apt-get install chromium chromium-driver"
                )
            say(f"installing chromium and chromium-driver ({cls.size})")
            quiet = {"DEBIAN_FRONTEND": "noninteractive"}
            call(["apt-get", "update", "-q"], env=quiet)
            call(["apt-get", "install", "-qy", "--no-install-recommends",
                  "chromium", "chromium-driver", "fonts-dejavu-core"], env=quiet)  # fmt: skip
        driver = cls._driver()
        if driver is None:
            raise Missing("chromedriver is not installed; apt-get install chromium-driver")
        return Path(driver)

    @staticmethod
    def _driver() -> str | None:
        return shutil.which("chromedriver") if shutil.which("chromium") else None
