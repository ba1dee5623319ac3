"""Keep the backbone of a finished ``minidino demo`` as the course's own, with a card.

    minidino demo --out runs/demo --seed 0
    python tools/ship_weights.py runs/demo

Writes ``minidino/weights/things.safetensors`` (half precision) and a card beside it.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from minidino.run.checkpoint import FORMAT, load_backbone

FOLDER = Path(__file__).resolve().parents[1] / "minidino" / "weights"
CARD = """# things.safetensors

`minidino.load_pretrained("minidino_things")`

| | |
| --- | --- |
| network | ViT, width {embed_dim}, {depth} blocks, {num_heads} heads, patches of {patch_size} px |
| data | ThingsOnStuff, {train_images:,} images of {image_size} px, no labels |
| recipe | `things`, {epochs} epochs, seed {seed}: `minidino demo --seed {seed}` |
| training | {train_seconds:.0f} s on {device}, torch {torch} |
| k-NN, {test_images:,} test images | {knn:.1f}% (random weights {knn_random:.1f}%) |
| Jaccard, best head | {jaccard_best_head:.2f} (random weights {jaccard_best_head_random:.2f}) |
| commit | `{commit}` |

Half precision; written by `tools/ship_weights.py`. It knows things on gray noise and nothing else.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a finished demo")
    run = parser.parse_args().run
    backbone, config = load_backbone(run)
    summary = json.loads((run / "summary.json").read_text())
    weights = {k: v.to(torch.float16).contiguous() for k, v in backbone.state_dict().items()}
    metadata = {"patch_size": str(config.patch_size), "num_heads": str(config.num_heads)}
    FOLDER.mkdir(exist_ok=True)
    save_file(weights, FOLDER / "things.safetensors", {"format": FORMAT} | metadata)
    (FOLDER / "README.md").write_text(CARD.format(**(config.to_dict() | summary)))
    print(f"wrote {FOLDER / 'things.safetensors'}")


if __name__ == "__main__":
    main()
