"""``minidino train``."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from minidino.config import TrainConfig
from minidino.engine.distributed import is_main, together
from minidino.engine.settings import Engine
from minidino.errors import UserError
from minidino.limits import check_read
from minidino.run.checkpoint import has_checkpoint
from minidino.run.folder import RunFolder, settings_kept
from minidino.train import train
from minidino.weights.start import SIZES, Start, load_start


def make_train_command(base: TrainConfig, given: set[str], engine: Engine):
    """The train command, its settings shown with the values of the chosen recipe.

    Args:
        base: the recipe, at the length asked for.
        given: names of the settings that are typed, whatever their values.
        engine: how the chosen device computes steps by default.
    """

    @together
    def train_command(
        config: Annotated[TrainConfig, tyro.conf.arg(name="", prefix_name=False)] = base,
        recipe: str = "things",
        out: Path | None = None,
        minutes: float | None = None,
        resume: bool = False,
        device: str | None = None,
        batch: Literal["auto"] | None = None,
        engine: Annotated[Engine, tyro.conf.arg(name="", prefix_name=False)] = engine,
    ) -> None:
        """Train DINO on pictures without labels.

        Example: minidino train --recipe tiny --data photos/ --out runs/photos --minutes 30

        Args:
            config: Settings; the defaults shown are those of the recipe.
            recipe: Where the settings start from: things (CPU, minutes), photos (CPU, an hour or
                two), tiny (ViT-Ti), small (ViT-S) or paper-vits16 (the official run). Any setting
                below changes it.
            out: Folder for checkpoint.pt, metrics.jsonl and snapshots (default: runs/RECIPE).
            minutes: Time limit. Without --epochs, as many epochs as fit are planned; with it,
                training stops when the time is up, and --resume goes on.
            resume: Go on from the checkpoint in --out, with the settings it was started with.
            device: cpu, cuda or mps (Apple); by default the fastest that is here.
            batch: auto finds the largest batch that fits, in place of --batch-size; the learning
                rate follows it.
            engine: Time and memory; these leave the outcome as it is, up to rounding.
        """
        out = out or Path("runs") / recipe
        if resume and is_main() and has_checkpoint(out):
            asked = {n: value for n, value in vars(config).items() if n in given}
            with RunFolder(out) as folder:
                config = settings_kept(out, folder.saved(resume), asked)
        check_read(config, given)
        fit = None if "epochs" in given else "fill"
        start = _start(config, given, resume and has_checkpoint(out))
        time_and_place = dict(minutes=minutes, fit=fit, device=device, engine=engine, batch=batch)
        result = train(config, out, resume=resume, start=start, **time_and_place)
        state = "finished" if result.finished else "stopped: the time is up; go on with --resume"
        if not is_main():
            return
        print(
            f"{state}; {result.seconds:.0f} s in all, {result.images_per_second:.0f} images/s\n"
            f"{result.verdict}\n"
            f"saved {out / 'checkpoint.pt'}; next: minidino knn {out}, minidino attend {out}"
        )

    return train_command


def _start(config: TrainConfig, given: set[str], resumed: bool) -> Start | None:
    """The weights to begin with, by the main process; typed heads are what a file may not tell.

    Raises:
        UserError: if sizes are typed that the weights have.
    """
    if config.init is None or resumed or not is_main():
        return None
    if typed := given & set(SIZES) - {"num_heads"}:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(typed))
        raise UserError(f"the network's sizes are those of --init; leave out {names}")
    return load_start(config.init, config.num_heads if "num_heads" in given else None)
