"""Keep the backbone of a finished run as the course's own, with a card.

    minidino demo --out runs/demo --seed 0
    python tools/ship_weights.py things runs/demo

    minidino train --recipe photos --data imagenette128/ --out runs/photos
    minidino knn runs/photos --json runs/photos/knn.json
    minidino linear runs/photos --json runs/photos/linear.json
    minidino attend runs/photos --data DAVIS/images --masks DAVIS/masks
    python tools/ship_weights.py photos runs/photos

Writes ``minidino/weights/NAME.safetensors`` (half precision) and a card beside it, NAME.md, whose
figures are those that the commands have left in the folder of the run.
"""

import argparse
import json
from pathlib import Path

from minidino.config import TrainConfig
from minidino.run.checkpoint import load_backbone
from minidino.weights.export import export_backbone

FOLDER = Path(__file__).resolve().parents[1] / "minidino" / "weights"
CARD = """# {name}.safetensors

`minidino.load_pretrained("minidino_{name}")`

| | |
| --- | --- |
| network | ViT, width {embed_dim}, {depth} blocks, {num_heads} heads, patches of {patch_size} px |
{rows}
| commit | `{commit}` |

Half precision; written by `tools/ship_weights.py`. {limits}
"""
THINGS = """\
| data | ThingsOnStuff, {train_images:,} images of {image_size} px, no labels |
| recipe | `things`, {epochs} epochs, seed {seed}: `minidino demo --seed {seed}` |
| training | {train_seconds:.0f} s on {device}, torch {torch} |
| k-NN, {test_images:,} test images | {knn:.1f}% (random weights {knn_random:.1f}%) |
| Jaccard, best head | {jaccard_best_head:.2f} (random weights {jaccard_best_head_random:.2f}) |"""
PHOTOS = """\
| data | Imagenette, {knn[train_images]:,} training photographs at {image_size} px, no labels |
| recipe | `photos`, {epochs} epochs, seed {seed} |
| training | {hours:.1f} hours on {device}, torch {torch} |
| k-NN, {knn[test_images]:,} validation images | {knn[trained]:.1f}% (random weights {knn[random]:.1f}%) |
| linear | {linear[trained]:.1f}% (random weights {linear[random]:.1f}%) |
| DAVIS, {attend[images]} frames, Jaccard of the best head | {trained[jaccard_best_head]:.2f} (random weights {random[jaccard_best_head]:.2f}) |
| of one head for all frames, the best of {num_heads} | {one_head[trained]:.2f} (random weights {one_head[random]:.2f}) |
| of the mean map | {trained[jaccard_mean]:.2f} (random weights {random[jaccard_mean]:.2f}) |"""  # noqa: E501
LIMITS = {
    "things": "It knows things on gray noise and nothing else.",
    "photos": "It has seen photographs of ten kinds, small: a toy beside released weights, and "
    "made to show on a CPU, without a network, what they show. The commit is that of the code, in "
    "which the recipe had no name yet: results/imagenette-photos-cpu/README.md tells of the run, "
    "and of another seed, with the same k-NN and no head that lies on things (0.15, one head "
    "0.11).",
}


def found_things(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def found_photos(run: Path) -> dict:
    read = {n: json.loads((run / f"{n}.json").read_text()) for n in ("knn", "linear", "config")}
    attend = json.loads((run / "attend/scores.json").read_text())
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    seconds = max(line["seconds"] for line in lines if "seconds" in line)
    made_by = {k: read["config"].get(k) for k in ("device", "torch", "commit")}
    scores = {k: attend[k] for k in ("trained", "random")}
    one_head = {
        k: max(score for n, score in found.items() if n.startswith("jaccard_head_"))
        for k, found in scores.items()
    }
    more = {"attend": attend, "one_head": one_head, "hours": seconds / 3600}
    return made_by | scores | read | more


def card(name: str, run: Path, config: TrainConfig) -> str:
    rows, found = {"things": (THINGS, found_things), "photos": (PHOTOS, found_photos)}[name]
    told = config.to_dict() | found(run)
    return CARD.replace("{rows}", rows).format(**told, name=name, limits=LIMITS[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=LIMITS)
    parser.add_argument("run", type=Path, help="the folder of the finished run")
    name, run = vars(parser.parse_args()).values()
    backbone, config = load_backbone(run)
    out = FOLDER / f"{name}.safetensors"
    out.unlink(missing_ok=True)
    export_backbone(backbone.half(), "safetensors", out, config.eval_size, config.reading)
    out.with_suffix(".md").write_text(card(name, run, config))
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
