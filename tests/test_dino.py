"""The page ``dino.py``: short, self-contained, and its command line.

That it computes DINO is held by ``parity.py``, which compares it with the package: neither shares
code with the other.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import dino
from minidino.config import recipe
from minidino.trainer import Network

PAGE = Path(__file__).resolve().parents[1] / "dino.py"


def run_page(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(PAGE), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_is_one_page_of_pytorch():
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("\n") <= 200
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {a.name.split(".")[0] for a in node.names}
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{a.name}" for a in node.names}
    others = {n for n in imported if n.split(".")[0] not in sys.stdlib_module_names}
    assert others <= {"torch", "torch.nn", "einops.rearrange", "minidino.data.load_data"}


def test_its_networks_have_the_released_names_and_sizes():
    """Weights go both ways, strictly; the package's own are held to timm's and lightly's."""
    config = recipe("paper-vits16", out_dim=64, drop_path_rate=0.0)
    ours = Network(config)
    page = dino.Dino(dino.ViT(), dino.Head(384, 64)).student
    page.load_state_dict(ours.state_dict(), strict=True)
    ours.load_state_dict(page.state_dict(), strict=True)


def test_it_takes_steps_in_float64():
    torch.manual_seed(0)
    network = dino.Dino(dino.ViT(32, 8, 24, 2, 3).double(), dino.Head(24, 16, 32, 8).double())
    views = [torch.randn(4, 3, s, s, dtype=torch.float64) for s in (32, 32, 16)]
    losses = [network.step(views, 1e-3, 0.04, 0.9, 0.07, freeze_last=False) for _ in range(30)]
    assert losses[-1] < losses[0] and network.center.dtype == torch.float64


def test_views_are_parts_of_their_own_images():
    """An image whose red rises to the right and green downwards gives views where they do."""
    side = torch.linspace(0, 1, 48)
    ramp = torch.stack([side.expand(48, 48), side[:, None].expand(48, 48), torch.zeros(48, 48)])
    torch.manual_seed(0)
    x = (
        dino.view(ramp.expand(64, -1, -1, -1), 24, (0.3, 0.6), 0.5, 0.0).cpu() * dino.STD
        + dino.MEAN
    )
    assert x.shape == (64, 3, 24, 24) and x.min() >= -1e-6 and x.max() <= 1 + 1e-6
    down = x[:, :, -4:].mean(dim=(1, 2, 3)) > x[:, :, :4].mean(dim=(1, 2, 3))
    right = x[..., -4:].mean(dim=(1, 2, 3)) > x[..., :4].mean(dim=(1, 2, 3))
    assert down.float().mean() > 0.95  # colours turn and may lose green; nothing is upside down
    assert 0.3 < right.float().mean() < 0.7  # half are flipped
    assert len({v.mean().item() for v in x}) == 64  # every image has draws of its own


def test_few_neighbours_vote_where_there_are_few():
    """Two of class 1 at cosine 0.9 outvote one of class 0 at cosine 0.92."""
    bank = torch.tensor([[0.92, (1 - 0.92**2) ** 0.5], [0.9, 0.19**0.5], [0.9, -(0.19**0.5)]])
    assert dino.knn(bank, torch.tensor([0, 1, 1]), torch.tensor([[2.0, 0.0]])).tolist() == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--data", "nowhere"], 'no data "nowhere"'), (["--minutes", "long"], "invalid float value")],
)
def test_a_mistake_costs_a_line_and_exit_code_2(arguments, message):
    done = run_page(*arguments)
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_pictures_without_labels_are_trained_on(tmp_path):
    for i in range(70):
        Image.new("RGB", (60, 60), (3 * i, 255 - 3 * i, 90)).save(tmp_path / f"{i}.png")
    done = run_page("--data", str(tmp_path), "--minutes", "0.2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "no labels (a folder per class), so no k-NN"


@pytest.mark.slow
def test_it_learns_what_it_promises():
    done = run_page("--seed", "0")
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0 and float(last.split()[1].rstrip("%")) >= 95, last
