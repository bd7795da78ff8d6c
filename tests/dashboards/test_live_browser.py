"""The page in a real browser: nothing complains, nothing overflows, news arrive, buttons ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from streams.schemas.incidents import Feedback
from tests.dashboards.conftest import LivePage
from tests.dashboards.synthetic import message

pytestmark = pytest.mark.browser

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
DRAWN = """
return [...document.querySelectorAll('.chart')].every(c => c.querySelector('canvas'))
  && document.querySelector('.headline time').textContent !== ''
"""


@pytest.fixture(scope="module")
def browser(
    chromedriver: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(chromedriver)))
    yield driver
    driver.quit()


def look(
    browser: webdriver.Chrome, page: LivePage, *, width: int = 1440, dark: bool = False
) -> None:
    height = 1000 if width > 600 else 844
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
    browser.get(page.url)
    WebDriverWait(browser, 40).until(lambda driver: driver.execute_script(DRAWN))


def paper(browser: webdriver.Chrome) -> str:
    return str(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_and_nothing_complains(
    browser: webdriver.Chrome, live_page: LivePage, width: int, dark: bool
) -> None:
    look(browser, live_page, width=width, dark=dark)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    complaints = [one["message"] for one in browser.get_log("browser")]  # type: ignore[no-untyped-call]
    assert (wide, complaints) == (width, [])
    assert paper(browser) == ("rgb(12, 21, 25)" if dark else "rgb(244, 246, 245)")


def test_why_is_told_when_somebody_asks_and_stays_while_news_arrive(
    browser: webdriver.Chrome, live_page: LivePage
) -> None:
    look(browser, live_page)
    why = "return document.querySelector('details.why').innerText"
    browser.find_element(By.CSS_SELECTOR, "details.why > summary").click()
    WebDriverWait(browser, 20).until(lambda driver: "usually" in driver.execute_script(why))
    told = browser.execute_script(why)
    # As when the fragment is drawn anew.
    browser.execute_script("document.querySelector('details.why > div').innerHTML = ''")
    browser.execute_script("const d = document.querySelector('details.why'); d.open = false")
    browser.execute_script("const d = document.querySelector('details.why'); d.open = true")
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(why) == told)

    assert "also" in told
    assert "_" not in told  # no names of the catalogue


def test_the_reader_chooses_the_theme(browser: webdriver.Chrome, live_page: LivePage) -> None:
    look(browser, live_page)
    browser.find_element(By.CSS_SELECTOR, "[data-theme-wish=dark]").click()
    chosen = paper(browser)
    browser.find_element(By.CSS_SELECTOR, "[data-theme-wish=auto]").click()
    assert (chosen, paper(browser)) == ("rgb(12, 21, 25)", "rgb(244, 246, 245)")


def test_a_verdict_reaches_the_topic(browser: webdriver.Chrome, live_page: LivePage) -> None:
    look(browser, live_page)
    browser.find_element(By.CSS_SELECTOR, "#incidents .verdict button").click()
    WebDriverWait(browser, 20).until(lambda _: len(live_page.published) >= 2)
    given = [out.value for out in live_page.published if out.topic == "feedback"]
    assert [one.verdict for one in given if isinstance(one, Feedback)] == ["right"]


def test_news_arrive_without_asking(browser: webdriver.Chrome, live_page: LivePage) -> None:
    look(browser, live_page)
    live_page.clock.advance(5)
    incident = next(one for one in live_page.view.incidents() if one.state == "open")
    solved = incident.but(state="resolved", resolved_at_us=live_page.clock())
    live_page.view.feed([message("incidents", solved, solved.id)])
    try:
        # The headline may be replaced between being found and being read.
        WebDriverWait(browser, 20, ignored_exceptions=(StaleElementReferenceException,)).until(
            lambda driver: driver.find_element(By.TAG_NAME, "h1").text == "All quiet."
        )
    finally:
        live_page.view.feed([message("incidents", incident, incident.id)])
        live_page.clock.advance(5)
