"""docs/memory.md: which batch fits which card, as the memory model computes it.

python tools/memory_table.py          # writes the page
python tools/memory_table.py --check  # exit code 1 if the page is not what this writes
"""

import sys
from dataclasses import replace
from pathlib import Path

import tyro

from minidino.config import RECIPES
from minidino.engine.batch import batch_sizes
from minidino.engine.memory import CUDA_CONTEXT, HEADROOM, step_memory
from minidino.engine.settings import Engine
from minidino.run.plan import MOST

PAGE = Path(__file__).resolve().parents[1] / "docs/memory.md"
CARDS = (8, 12, 16, 24, 80)  # GB, of 10^9 bytes as cards are sold
ENGINES = {
    "": Engine(),
    "--accumulate 2": Engine(accumulate=2),
    "--accumulate 4": Engine(accumulate=4),
    "--checkpoint-activations": Engine(checkpoint_activations=True),
    "both, in 4": Engine(accumulate=4, checkpoint_activations=True),
}

INTRODUCTION = f"""# What fits on a card

Written by `tools/memory_table.py`. **Computed, not measured on CUDA.** The numbers come from the
model in [`engine/memory.py`](../minidino/engine/memory.py): weights, gradients, AdamW's moments
and the teacher in float32, activations of bf16 autocast, {HEADROOM - 1:.0%} on top for what
allocators and kernels lose, and {CUDA_CONTEXT / 2**20:.0f} MiB for CUDA itself. On the CPU,
in float32, tests hold it to within 15% of what autograd saves and within 20% of the
allocator's peak (`pytest tests/test_memory.py`); the same test for CUDA is
`pytest -m gpu tests/test_memory.py`.

`--batch auto` does not rely on this table: on CUDA it takes real steps, and its batch is one that
they fitted in. `--accumulate N` takes the same steps as without, to rounding, in N parts (where a
step is compiled, as it is on CUDA, drop path draws anew for each part); a batch below is that of
all parts together. No batch above {MOST} is tried, the
largest of the paper's ViT-S, and none above an eighth of the images. `photos` has no rows of parts:
its images are compared with each other. Training images that are
kept on the card (up to 4 GiB; a larger folder is streamed) come on top.
"""


def largest(config, engine: Engine, gigabytes: int) -> int:
    """The largest batch, 0 if none fits."""
    budget = gigabytes * 10**9 - CUDA_CONTEXT
    return max(
        (
            size
            for size in batch_sizes(MOST, engine.accumulate)
            if HEADROOM * step_memory(replace(config, batch_size=size), engine, cuda=True).total
            <= budget
        ),
        default=0,
    )


def page() -> str:
    text = INTRODUCTION
    for name, config in RECIPES.items():
        need = HEADROOM * step_memory(config, Engine(), cuda=True).total + CUDA_CONTEXT
        text += (
            f"\n## {name}\n\nIts own batch of {config.batch_size} needs {need / 1e9:.1f} GB.\n\n"
            f"| largest batch | {' | '.join(f'{g} GB' for g in CARDS)} |\n"
            f"| --- |{' --- |' * len(CARDS)}\n"
        )
        for how, engine in ENGINES.items():
            if config.compares_images and engine.accumulate > 1:
                continue
            sizes = [largest(config, engine, g) for g in CARDS]
            cells = " | ".join(str(s) if s else "no" for s in sizes)
            text += f"| {f'`{how}`' if how.startswith('--') else how or 'plain'} | {cells} |\n"
    return text


def main(check: tyro.conf.FlagCreatePairsOff[bool] = False) -> int:
    """Write the page.

    Args:
        check: Write nothing; exit code 1 if the page is not what this writes.
    """
    if check:
        return PAGE.read_text(encoding="utf-8") != page()
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
