"""Write the table of docs/recipes.md from the commands that stand in it.

    python tools/recipes_table.py          # writes the table
    python tools/recipes_table.py --check  # exit code 1 if it is not what this writes

Every command is parsed by the command line itself. Memory is what engine/memory.py says, FLOPs are
counted by PyTorch in a step of one picture, minutes are these divided by a share of a card's peak.
"""

import math
import re
import shlex
import sys
from pathlib import Path
from unittest import mock

import torch
import tyro
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minidino import cli
from minidino.config import TrainConfig
from minidino.data.downloads import IMAGENETTE
from minidino.engine.memory import CUDA_CONTEXT, HEADROOM, step_memory
from minidino.engine.settings import Engine
from minidino.trainer import Network

PAGE = Path(__file__).resolve().parents[1] / "docs/recipes.md"
BEGIN, END = "<!-- written by tools/recipes_table.py -->", "<!-- end -->"
PICTURES = {"things": 8000, "imagenette": IMAGENETTE["train"], "cifar10": 50_000,
            "stl10": 105_000, "pets": 3680}  # fmt: skip
A100, SHARE = 312e12, 0.2  # FLOP/s of dense bf16 products, and how much of it a run is taken to get


class Parsed(Exception):
    """Carries the settings of a command out of the command line."""


def config_of(command: str) -> TrainConfig:
    """The settings that ``minidino train ...`` would train with.

    Raises:
        ValueError: if the command line does not take it.
    """

    def instead(config: TrainConfig, *_, **__) -> None:
        raise Parsed(config)

    with mock.patch("minidino.commands.train.train", instead):
        try:
            code = cli.main(shlex.split(command)[1:])
        except Parsed as parsed:
            return parsed.args[0]
    raise ValueError(f"exit code {code}: {command}")


def commands(page: str) -> list[str]:
    """Every ``minidino train`` in the blocks of code, continued lines joined."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL))
    joined = re.sub(r"\\\n\s*", "", blocks)
    lines = [line.split("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line.startswith("minidino train") and "--resume" not in line]


def flops_per_image(config: TrainConfig) -> int:
    """Of a step: student forward and backward, teacher forward."""
    network = Network(config)
    sizes = ((2, config.global_size), (config.n_local, config.local_size))
    views = [torch.zeros(n, 3, size, size) for n, size in sizes if n]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            network(views[0])
        network(*views).sum().backward()
    return counter.get_total_flops()


def row(command: str) -> list[str] | None:
    """A line of the table; None for pictures whose number is not known."""
    config = config_of(command)
    if config.data not in PICTURES:
        return None
    n, c = min(PICTURES[config.data], config.max_images or 10**9), config
    steps = c.epochs * (n // c.batch_size)
    half = math.log(0.5) / math.log(c.teacher_momentum)
    memory = HEADROOM * step_memory(c, Engine(), cuda=True).total + CUDA_CONTEXT
    flops = flops_per_image(c)
    minutes = flops * c.batch_size * steps / (SHARE * A100) / 60
    (name,) = re.findall(r"--recipe (\S+)", command)
    return [
        f"`{name}` on `{c.data}`", f"{n:,}", f"{c.epochs}", f"{steps:,}", f"{c.out_dim:,}",
        f"{half:.0f} steps, {half / steps:.1%}", f"{flops / 1e9:.1f}", f"{memory / 1e9:.1f} GB",
        f"{minutes:.0f}" if minutes >= 1 else "below 1",
    ]  # fmt: skip


def written(page: str) -> str:
    """The page with its table written anew."""
    head = ["recipe", "pictures", "epochs", "steps", "K", "teacher's half-life at the start",
            "GFLOP a picture", "card (computed)", "minutes on an A100 (estimate)"]  # fmt: skip
    rows = [r for command in commands(page) if (r := row(command))]
    table = "\n".join(f"| {' | '.join(r)} |" for r in [head, ["---"] * len(head), *rows])
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def main(check: tyro.conf.FlagCreatePairsOff[bool] = False) -> int:
    """Write the table.

    Args:
        check: Write nothing; exit code 1 if the table is not what this writes.
    """
    text = PAGE.read_text(encoding="utf-8")
    if check:
        return written(text) != text
    PAGE.write_text(written(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
