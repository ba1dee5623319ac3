"""Chromium without a window, for tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def window(width: int, height: int) -> Iterator:
    """A selenium driver, for as long as the block lasts.

    Skips the test, saying why, where there is no browser or no driver.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip(f"no {'chromedriver' if browser else 'browser'} (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    # Chromium sets up no sandbox for root, and a container has little /dev/shm.
    for switch in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{switch}")
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    one = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield one
    finally:
        one.quit()
