"""The page to explore: what it holds, and, in headless Chromium, what it shows."""

import base64
import json
import re
import shutil
import time

import numpy as np
import pytest
import torch
from browser import window
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics.pairwise import cosine_similarity

from minidino import cli
from minidino.data.things import ThingsOnStuff
from minidino.pixels import normalize
from minidino.run.checkpoint import save_checkpoint
from minidino.successors.vit_v2 import VisionTransformerV2
from minidino.trainer import Trainer, build_backbone
from minidino.using.attend import snapshots
from minidino.using.examples import Example
from minidino.using.explore import MARK, packed, page
from minidino.weights.pretrained import load_trained


def unpacked(rows):
    scale = np.frombuffer(base64.b64decode(rows["scale"]), "<f4")[:, None]
    whole = np.frombuffer(base64.b64decode(rows["bytes"]), np.int8).reshape(len(scale), -1)
    return whole * scale


def held(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_packed_numbers_are_within_half_a_step():
    rows = torch.randn(7, 12) * torch.logspace(-3, 3, 7)[:, None]
    rows[3] = 0
    error = np.abs(unpacked(packed(rows)) - rows.numpy())
    assert (error <= rows.abs().amax(1, keepdim=True).numpy() / 254 * 1.01 + 1e-9).all()


@torch.no_grad()
def test_the_page_holds_what_attention_is_made_of():
    """With registers, of a picture that is no square, and a name that would end the script."""
    torch.manual_seed(0)
    vit = VisionTransformerV2(32, 8, embed_dim=24, depth=2, num_heads=3, registers=2).eval()
    for p in vit.parameters():
        torch.nn.init.normal_(p, std=0.2)
    image = torch.randint(0, 256, (3, 24, 40), dtype=torch.uint8)
    html = page([Example("</script><b>&.png", image, None)], [("a", vit), ("b", vit)], "about")
    assert html.count("</script>") == 2 and html.index(MARK) < 200
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?\s*(https?:)?//", html)
    data = held(html)
    (picture,) = data["pictures"]
    assert picture["name"] == "</script><b>&.png" and data["moments"] == ["a", "b"]
    assert (picture["rows"], picture["columns"], data["registers"]) == (3, 5, 2)
    q, k, f = (unpacked(picture["moments"][0][name]) for name in "qkf")
    assert q.shape == f.shape == (16, 24) and k.shape == (18, 24)
    matrix = vit.get_last_selfattention(normalize(image[None]), registers=True)[0].numpy()
    for row, token in ((0, 0), (1, 3), (15, 17)):
        for head in range(3):
            part = slice(8 * head, 8 * head + 8)
            scores = np.exp(k[:, part] @ q[row, part] / 8**0.5)
            assert np.abs(scores / scores.sum() - matrix[head, token]).max() < 0.01
    tokens = vit.forward_features(normalize(image[None]))[0].numpy()
    assert np.abs(cosine_similarity(f) - cosine_similarity(tokens)).max() < 0.01


# ------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def run(tiny_config, tmp_path_factory):
    """A run's folder with three snapshots, of weights that differ."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "snapshots").mkdir()
    trainer = Trainer(tiny_config, 6, torch.device("cpu"))
    for step in (0, 9, 18):
        torch.manual_seed(step)
        weights = build_backbone(tiny_config).state_dict()
        larger = {name: 2 * w if "qkv" in name else w for name, w in weights.items()}
        save_file(larger, folder / f"snapshots/step_{step:07d}.safetensors")
    trainer.teacher.backbone.load_state_dict(larger)
    save_checkpoint(folder / "checkpoint.pt", trainer.state_dict())
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i, image in enumerate(ThingsOnStuff(3, 60, seed=2).images):
        Image.fromarray(image.permute(1, 2, 0).numpy()[: 60 - 12 * i]).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def made(run, photos):
    assert cli.main(["explore", str(run), "--data", str(photos)]) == 0
    return run / "explore.html"


@pytest.fixture
def browser(made):
    with window(1280, 1000) as one:
        one.get(made.resolve().as_uri())
        wait_for(one, "return document.body.dataset.ready === 'yes'")
        yield one
        assert [entry for entry in one.get_log("browser") if entry["level"] == "SEVERE"] == []


def wait_for(browser, code):
    until = time.monotonic() + 30
    while not (found := browser.execute_script(code)):
        assert time.monotonic() < until, code
        time.sleep(0.05)
    return found


def state(browser):
    return browser.execute_script("return window.explore.state()")


def box(browser, selector):
    return browser.execute_script(
        f"const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]"
    )


def pointer(browser, x, y, click=False):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(browser, duration=0)
    actions.pointer_action.move_to_location(round(x), round(y))
    if click:
        actions.pointer_action.click()
    actions.perform()


def press(browser, key):
    from selenium.webdriver import ActionChains, Keys

    ActionChains(browser).send_keys(getattr(Keys, key)).perform()


def point_at(browser, row, column, rows, columns):
    left, top, width, height = box(browser, "#picture")
    pointer(browser, left + (column + 0.5) * width / columns, top + (row + 0.5) * height / rows)
    patch = row * columns + column
    wait_for(browser, f"return window.explore.state().patch === {patch}")
    wait_for(browser, f"return document.getElementById('where').textContent.endsWith('row {row}, "
             f"column {column}')")  # fmt: skip


@torch.no_grad()
def expected(run, moment, image, row):
    """(heads, N) and (N,), of the networks that the run kept."""
    trained = load_trained(run)
    kept = snapshots(run, trained.config)
    x = normalize(image[None])
    attention = kept[moment][1].get_last_selfattention(x)[0, :, row, 1:]
    tokens = kept[moment][1].forward_features(x)[0]
    return attention.numpy(), cosine_similarity(tokens[row][None], tokens[1:])[0]


def test_pointing_shows_attention_and_likeness_of_that_patch(browser, run, photos):
    image = torch.from_numpy(np.asarray(Image.open(photos / "0.png")).copy()).permute(2, 0, 1)
    last = held((run / "explore.html").read_text())["moments"]
    assert last == ["step 0", "step 9", "step 18"]
    for patch, row in ((None, 0), ((4, 7), 48)):
        if patch:
            point_at(browser, *patch, 10, 10)
        now = state(browser)
        attention, alike = expected(run, -1, image, row)
        assert np.abs(np.array(now["attention"]) - attention).max() < 0.002
        assert np.abs(np.array(now["alike"][0]) - alike).max() < 0.01
    # What is drawn: of a head's map the brightest patch is where it looks most.
    drawn = browser.execute_script(
        "const c = document.querySelectorAll('#heads canvas')[1], g = c.getContext('2d');"
        "const s = c.width / 10, out = [];"
        "for (let y = 0; y < 10; y++) for (let x = 0; x < 10; x++) {"
        "  const d = g.getImageData(x * s, y * s, s, s).data; let sum = 0;"
        "  for (let i = 0; i < d.length; i += 4) sum += d[i] + d[i + 1] + d[i + 2];"
        "  out.push(sum); } return out"
    )
    assert np.corrcoef(drawn, attention[0])[0, 1] > 0.5


def test_the_slider_goes_back_to_the_beginning(browser, run, photos):
    image = torch.from_numpy(np.asarray(Image.open(photos / "0.png")).copy()).permute(2, 0, 1)
    point_at(browser, 5, 5, 10, 10)
    before = state(browser)
    browser.execute_script(
        "const s = document.getElementById('moment'); s.value = 0;"
        "s.dispatchEvent(new Event('input'))"
    )
    wait_for(browser, "return document.getElementById('when').textContent === 'step 0'")
    now = state(browser)
    attention, _ = expected(run, 0, image, 56)
    assert np.abs(np.array(now["attention"]) - attention).max() < 0.002
    assert now["patch"] == before["patch"] and now["attention"] != before["attention"]
    browser.execute_script("document.getElementById('play').click()")
    wait_for(browser, "return window.explore.state().moment === 2")


def test_another_picture_is_chosen_and_keys_move_the_patch(browser, made):
    wide = held(made.read_text(encoding="utf-8"))["pictures"][1]
    rows, columns = wide["rows"], wide["columns"]
    assert columns > rows
    middle = rows // 2 * columns + columns // 2
    left, top, width, height = box(browser, "#alike figure:nth-child(2) canvas")
    pointer(browser, left + width / 2, top + height / 2, click=True)
    wait_for(browser, "return window.explore.state().picture === 1")
    pointer(browser, 2, 2)
    browser.execute_script("window.scrollTo(0, 0); document.getElementById('picture').focus()")
    browser.execute_script("document.getElementById('cls').click()")
    wait_for(browser, "return window.explore.state().patch === null")
    press(browser, "ARROW_RIGHT")  # from the middle
    wait_for(browser, f"return window.explore.state().patch === {middle + 1}")
    press(browser, "ARROW_UP")
    wait_for(browser, f"return window.explore.state().patch === {middle + 1 - columns}")
    browser.execute_script("document.getElementById('cls').click()")
    wait_for(browser, "return window.explore.state().patch === null")


def test_it_fits_a_telephone_and_a_dark_room(browser, made):
    telephone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", telephone)
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(ground)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    wait_for(browser, f"return (() => {{ {ground} }})() !== {json.dumps(light)}")
    grounds = light, browser.execute_script(ground)
    luma = [sum(map(int, re.findall(r"\d+", c)[:3])) for c in grounds]
    assert luma[0] > 600 and luma[1] < 120
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    left, _, width, _ = box(browser, "#picture")
    assert left >= 0 and width > 300  # the picture takes the whole width


# ------------------------------------------------------------------ bad input


def test_without_a_run_the_slider_begins_with_random_weights(photos, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    argv = ["explore", "minidino_things", "--data", str(photos), "--out", str(out)]
    assert cli.main([*argv, "--pictures", "2"]) == 0
    data = held(out.read_text(encoding="utf-8"))
    assert data["moments"] == ["random weights", "trained"]
    assert [p["name"] for p in data["pictures"]] == ["0.png", "1.png"]
    first, last = (data["pictures"][0]["moments"][i]["q"] for i in (0, 1))
    assert first != last and "open it in a browser" in capsys.readouterr().out
    assert cli.main(argv) == 0  # its own page it may replace


def test_the_slider_of_a_stopped_run_ends_with_its_checkpoint(run, photos, tmp_path):
    stopped = shutil.copytree(run, tmp_path / "stopped")
    (stopped / "snapshots/step_0000018.safetensors").unlink()
    assert cli.main(["explore", str(stopped), "--data", str(photos)]) == 0
    data = held((stopped / "explore.html").read_text(encoding="utf-8"))
    assert data["moments"] == ["step 0", "step 9", "the checkpoint"]


@pytest.mark.parametrize(
    "argv, words",
    [
        (["--out", "page.png"], "must end in .html"),
        (["--out", "other.html"], "was not written by minidino"),
        (["--out", "folder.html"], "it is a folder"),
        (["--pictures", "0"], "--pictures must be at least 1"),
        (["--size", "3"], "a patch) to 4,096"),
        (["--data", "empty"], "no pictures in"),
        (["--data", "bad"], "could be read"),
    ],
)
def test_a_mistake_costs_one_line(argv, words, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "folder.html", "bad"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bad/0.png").write_bytes(b"x")
    (tmp_path / "other.html").write_text("<p>mine</p>")
    given = ["--data", str(photos)] if "--data" not in argv else []
    code = cli.main(["explore", "minidino_things", *given, *argv])
    err = capsys.readouterr().err
    assert code == 2 and words in err
    assert err.startswith("minidino: ") and len(err.strip().splitlines()) == 1, err
    assert (tmp_path / "other.html").read_text() == "<p>mine</p>"
