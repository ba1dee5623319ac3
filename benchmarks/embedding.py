"""`minidino embed` against timm's feature extraction: the same ViT, weights and pictures on disk.

    python benchmarks/embedding.py

Both read the files with as many worker processes, bring them to the same size, and write [CLS] of
all of them to a .npz. What is read stays in the system's memory after the first round, for both.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
import tyro
from measure import Spread, in_turn
from PIL import Image
from timm.data import create_dataset, create_loader

from minidino.data.pictures import cores
from minidino.data.things import ThingsOnStuff
from minidino.engine.machine import pick_device
from minidino.pixels import IMAGENET_MEAN, IMAGENET_STD
from minidino.run.provenance import provenance
from minidino.using.embed import embed
from minidino.weights.pretrained import load_trained

MODELS = {"ti": "vit_tiny_patch16_224", "s": "vit_small_patch16_224", "b": "vit_base_patch16_224"}


def main(
    model: str = "ti",
    pictures: int = 256,
    side: int = 320,
    batch: int = 32,
    rounds: int = 5,
    device: str | None = None,
    out: Path | None = None,
) -> None:
    """Time both in turn and print the ratio.

    Args:
        model: The ViT/16: ti, s or b, with random weights.
        pictures: How many are read.
        side: Their sides in pixels, before they are brought to 224.
        batch: Of timm; minidino's follows the device.
        rounds: How often each is timed, in turn.
        device: cpu or cuda.
        out: Also write the numbers here, as JSON.
    """
    where = pick_device(device)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for i, image in enumerate(ThingsOnStuff(pictures, side).images):
            file = place / "pictures/all" / f"{i:06d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, quality=90)
        theirs = timm.create_model(MODELS[model], num_classes=0).eval().to(where)
        torch.save(theirs.state_dict(), place / "vit.pth")
        trained = load_trained(place / "vit.pth")

        def ours() -> torch.Tensor:
            (place / "ours.npz").unlink(missing_ok=True)
            embed(trained, place / "pictures", place / "ours.npz", device=where.type)
            return torch.zeros(())

        @torch.inference_mode()
        def timms() -> torch.Tensor:
            dataset = create_dataset("", root=place / "pictures")
            loader = create_loader(
                dataset, 224, batch, is_training=False, num_workers=cores(), crop_pct=1.0,
                interpolation="bicubic", mean=IMAGENET_MEAN, std=IMAGENET_STD, device=where,
                use_prefetcher=where.type == "cuda",
            )  # fmt: skip
            found = [theirs(images.to(where)).cpu() for images, _ in loader]
            np.savez(place / "theirs.npz", cls=torch.cat(found).numpy())
            return torch.zeros(())

        # Seconds below a pass: each turn is one pass over all pictures.
        rates = in_turn({"minidino": ours, "timm": timms}, pictures, rounds, seconds=1e-3)
        a, b = (np.load(place / name)["cls"] for name in ("ours.npz", "theirs.npz"))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    for name, spread in rates.items():
        print(f"{name:10s}{spread} images/s")
    values = [x / y for x, y in zip(*(spread.values for spread in rates.values()), strict=True)]
    times = Spread(values)
    print(f"{times.median:.2f} x ({min(values):.2f} to {max(values):.2f} over the rounds)")
    print(f"cosine of both's features, the least: {cosine.min():.5f}")
    if out is not None:
        told = {"model": MODELS[model], "pictures": pictures, "side": side, "batch": batch}
        told["images_per_second"] = {name: spread.values for name, spread in rates.items()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(told | provenance(where), indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
