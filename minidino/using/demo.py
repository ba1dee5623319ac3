"""``minidino demo``: train on ThingsOnStuff, score against random weights, draw the result."""

import json
from pathlib import Path

from minidino import plots
from minidino.config import recipe
from minidino.data import load_data
from minidino.engine.machine import pick_device
from minidino.errors import UserError
from minidino.run.checkpoint import has_checkpoint, random_backbone
from minidino.run.files import check_json, write_text
from minidino.run.provenance import provenance
from minidino.train import TrainResult, train
from minidino.using.attend import Example, draw_filmstrip, maps_of
from minidino.using.score import quality


def run_demo(out: Path, *, seed: int = 0, minutes: float = 5.0, device: str | None = None) -> dict:
    """Train the ``things`` recipe for at most ``minutes`` and write what it learned.

    Writes ``summary.json``, ``attention.png``, ``curves.png`` and ``filmstrip.png`` beside
    the run's own files in ``out``.

    Returns:
        The content of ``summary.json``.

    Raises:
        UserError: if ``out`` cannot be written, or holds a run already or files of others.
    """
    if has_checkpoint(out):
        raise UserError(f"{out} already holds a run; remove it, or change --out")
    check_json(out / "summary.json", "knn_random", "is not of a demo; choose another --out")
    for name in ("attention", "curves", "filmstrip"):  # minutes of training come first
        plots.check_target(out / f"{name}.png")
    config = recipe("things", seed=seed)
    result = train(config, out, minutes=minutes, fit="shorten", device=device)
    summary = summarize(result, device)
    write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    draw(result, out, summary, device)
    return summary


def summarize(result: TrainResult, device: str | None = None) -> dict:
    """k-NN and Jaccard on the *test* images, of the trained and of random weights."""
    config, where = result.config, pick_device(device)
    trained, features = quality(result.backbone.to(where), config, "test", linear=False)
    random, _ = quality(random_backbone(config).to(where), config, "test", linear=False)
    measures = ("knn", "jaccard_best_head", "jaccard_mean")
    return (
        {name: trained[name] for name in measures}
        | {
            **{f"{name}_random": random[name] for name in measures},
            "jaccard_heads": trained["jaccard_heads"],
            "test_images": len(features),
            "train_images": config.max_images,
            "epochs": config.epochs,
            "finished": result.finished,
            "verdict": result.verdict,
            "train_seconds": round(result.seconds, 1),
            "images_per_second": round(result.images_per_second, 1),
            "seed": config.seed,
        }
        | provenance(where)
    )


def draw(result: TrainResult, out: Path, summary: dict, device: str | None = None) -> None:
    """The three pictures: attention, curves and filmstrip."""
    config, where = result.config, pick_device(device)
    side = 2 * config.eval_size  # four times the patches, whose maps show a thing's outline
    test = load_data(config.data, "test", side, max_images=200)
    # One image of each class, the first in the set: nothing is picked for its looks.
    rows = [int((test.labels == c).nonzero()[0]) for c in range(len(test.classes))][:8]
    examples = [Example(str(i), test.images[i], test.masks[i]) for i in rows]
    images, masks = [e.image for e in examples], [e.mask for e in examples]
    ratio = summary["jaccard_best_head"] / max(summary["jaccard_best_head_random"], 1e-9)
    title = (
        f"Where a ViT looks after {summary['train_seconds'] / 60:.1f} minutes of DINO, "
        f"without labels\n"
        f"k-NN {summary['knn']:.1f}% (random weights {summary['knn_random']:.1f}%)   "
        f"best head's Jaccard {summary['jaccard_best_head']:.2f} "
        f"({ratio:.1f} x random weights' {summary['jaccard_best_head_random']:.2f}), "
        f"{summary['test_images']} unseen images ({config.eval_size} px; here {side})"
    )
    trained, random = result.backbone.to(where), random_backbone(config).to(where)
    figure = plots.attention_figure(
        images, maps_of(trained, examples), maps_of(random, examples), masks, title
    )
    plots.save(figure, out / "attention.png")
    title = f"DINO on ThingsOnStuff: {_how_long(summary)}"
    plots.save(plots.curves_figure(result.history, config.out_dim, title), out / "curves.png")
    draw_filmstrip(out, out, config, where, examples)


def _how_long(summary: dict) -> str:
    count, seconds = summary["epochs"], f"{summary['train_seconds']:.0f} s"
    epochs = f"{count} epoch{'s' * (count != 1)}"
    if summary["finished"]:
        return f"{epochs} in {seconds}"
    return f"{seconds}, in which the time was up before the end of {epochs},"


def describe(summary: dict, out: Path) -> str:
    """The result in a few lines for the terminal."""
    s = summary
    lines = [
        "",
        f"trained {_how_long(s)} on {s['device']} "
        f"({s['images_per_second']:.0f} images/s), no labels used",
        f"  k-NN on {s['test_images']} unseen images   {s['knn']:5.1f}%   "
        f"random weights {s['knn_random']:5.1f}%",
        f"  Jaccard of the best head     {s['jaccard_best_head']:.3f}    "
        f"random weights {s['jaccard_best_head_random']:.3f}",
        s["verdict"],
        f"look at {out / 'attention.png'}, filmstrip.png and curves.png beside it",
    ]
    whole = recipe("things", seed=s["seed"]).epochs
    if s["epochs"] < whole:
        lines.append(f"{whole} epochs look clearer but did not fit in the time: more --minutes")
    return "\n".join(lines)
