"""A learner's first quarter of an hour, in a real browser: JupyterLab, the tour, an exercise."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser import window

from minidino.course.notebooks import read, unpack

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "learner"
RIGHT = "def l2_normalize(x): return x / x.norm(dim=-1, keepdim=True)"
WRONG = "def l2_normalize(x): return x / x.norm(dim=0)"
PATIENCE = 600  # seconds for the whole tour, on a machine that does other things as well

# Alone: three tests in one sitting, in this order, which processes side by side would tear apart.
pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser") / "course"
    unpack(folder)
    return folder


@pytest.fixture(scope="module")
def lab(course):
    """JupyterLab on the course, with none of this person's settings; its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    own = course.parent / "jupyter"
    # Cells out of sight are in the page as well, since this test reads them all; and no news.
    for name, chosen in (
        ("notebook-extension/tracker", {"windowingMode": "none"}),
        ("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False}),
    ):
        file = own / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(chosen))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MINIDINO_SMOKE": "1",
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
    }
    options = [f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser"]
    options += ["--allow-root", f"--notebook-dir={course}"]
    with open(course.parent / "lab.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks/00_tour.ipynb?token={TOKEN}"
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def browser():
    with window(1300, 1000) as one:
        one.set_page_load_timeout(PATIENCE)
        yield one


class Page:
    """A notebook in JupyterLab, as a person sees it."""

    def __init__(self, browser, address: str, ids: list[str], pictures: Path):
        self.browser, self.ids, self.pictures = browser, ids, pictures
        browser.get(address)
        self.until("the notebook and its kernel", lambda: len(self.cells()) == len(ids))
        self.until("an idle kernel", lambda: "Idle" in self.kernel())

    def find(self, selector: str) -> list:
        return self.browser.find_elements("css selector", selector)

    def cells(self) -> list:
        return self.find(".jp-Notebook .jp-Cell")

    def cell(self, name: str):
        return self.cells()[self.ids.index(name)]

    def kernel(self) -> str:
        (status,) = self.find(".jp-Notebook-ExecutionIndicator") or [None]
        return (status.get_attribute("data-status") or "").capitalize() if status else ""

    def output(self, name: str) -> str:
        found = self.cell(name).find_elements("css selector", ".jp-OutputArea-output")
        return "\n".join(one.text for one in found).strip()

    def until(self, what: str, seen) -> None:
        end = time.monotonic() + PATIENCE
        while not seen():
            if time.monotonic() > end:
                raise AssertionError(f"waited {PATIENCE} s for {what}; see {self.look('stuck')}")
            time.sleep(0.3)

    def look(self, name: str) -> Path:
        """A picture of the page, for a person; where it is."""
        self.browser.save_screenshot(str(self.pictures / f"{name}.png"))
        return self.pictures / f"{name}.png"

    def prompts(self) -> list[str]:
        return [p.text for p in self.find(".jp-CodeCell .jp-InputPrompt")]

    def click(self, text: str, within: str) -> None:
        self.until(text, lambda: [e for e in self.find(within) if e.text.strip() == text])
        next(e for e in self.find(within) if e.text.strip() == text).click()

    def type(self, name: str, text: str) -> None:
        """Write over a cell and run it and the check below it, by keys alone."""
        from selenium.webdriver import ActionChains, Keys

        editor = self.cell(name).find_element("css selector", ".cm-content")
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", editor)
        editor.click()
        keys = ActionChains(self.browser)
        keys.key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(text)
        check = name.replace("exercise", "check")
        before = self.cell(check).find_element("css selector", ".jp-InputPrompt").text
        for _ in range(self.ids.index(check) - self.ids.index(name) + 1):
            keys.key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT)
        keys.perform()

        def done() -> bool:
            now = self.cell(check).find_element("css selector", ".jp-InputPrompt").text
            return now not in (before, "[*]:") and now.startswith("[")

        self.until(f"the check of {text}", done)


@pytest.fixture(scope="module")
def tour(browser, lab, course):
    ids = [c.id for c in read(course / "notebooks/00_tour.ipynb").cells]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            return Page(browser, lab, ids, course.parent)
        except Exception as error:  # the server is not there yet: Chromium shows its own page
            if "ERR_CONNECTION_REFUSED" not in str(error):
                raise
            time.sleep(1)
    raise AssertionError("JupyterLab did not start")


def test_the_tour_runs_to_its_end(tour):
    tour.click("Run", ".lm-MenuBar-itemLabel")
    tour.click("Run All Cells", ".lm-Menu-itemLabel")
    tour.until("a run of all cells", lambda: "[*]:" in tour.prompts())
    tour.until(
        "the last cell", lambda: all(p not in ("[*]:", "[ ]:") and p for p in tour.prompts())
    )
    assert tour.output("set-up") == ""
    assert "ready" in tour.output("environment-check")
    for name in ("check-0-1", "check-0-2", "check-0-3"):
        number = name.removeprefix("check-").replace("-", ".")
        said = tour.output(name)
        assert said.startswith(f"· {number} ") and "not started" in said
        assert "Traceback" not in said and "\n" not in said
    assert tour.cell("play").find_elements("css selector", ".jupyter-widgets [role=slider]")
    for name in ("data-figure", "finished-figure", "pipeline", "play"):
        (picture,) = tour.cell(name).find_elements("css selector", ".jp-OutputArea-output img")
        assert int(picture.get_attribute("naturalWidth")) > 200, name
    assert "\n" not in tour.output("wrong-example")
    tour.look("tour")


def test_a_wrong_answer_is_one_line_that_names_it(tour):
    tour.type("exercise-0-1", WRONG)
    said = tour.output("check-0-1")
    assert said.startswith("✗ 0.1 features of length 1: You normalised the columns (dim 0).")
    assert "\n" not in said and "Traceback" not in said
    tour.look("wrong")


def test_a_right_answer_is_one_line(tour, course):
    tour.type("exercise-0-1", RIGHT)
    assert tour.output("check-0-1") == "✓ 0.1 features of length 1"
    tour.look("right")
    # What status counts was left by that very kernel.
    notes = (course / "notebooks/.progress.jsonl").read_text(encoding="utf-8").splitlines()
    ours = [json.loads(line) for line in notes]
    assert [n["status"] for n in ours if n["number"] == "0.1"] == ["not started", "wrong", "done"]
