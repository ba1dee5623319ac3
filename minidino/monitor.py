"""What is watched and kept while a network trains: metrics, k-NN, snapshots of the teacher."""

import json
from pathlib import Path

from safetensors.torch import save_file

from minidino import distributed
from minidino.config import TrainConfig
from minidino.data import Pictures, StreamedFolder, load_data
from minidino.errors import UserError
from minidino.evaluate import accuracy, extract_features, knn_predict
from minidino.vit import VisionTransformer


def moments(count: int, total: int, power: float) -> set[int]:
    """``count`` steps from 0 to ``total``; with a higher power, closer together at the start."""
    if count < 2:
        return {total} if count else set()
    return {round(total * (i / (count - 1)) ** power) for i in range(count)}


def save_snapshot(out: Path, backbone: VisionTransformer, step: int) -> None:
    """The teacher's backbone at one moment, in half precision."""
    weights = {k: v.half().contiguous().cpu() for k, v in backbone.state_dict().items()}
    save_file(weights, out / "snapshots" / f"step_{step:07d}.safetensors")


class MetricsLog:
    """``metrics.jsonl``: a line per logged step, none doubled and none lost by a resume."""

    def __init__(self, out: Path | None, resumed_at: int):
        self.lines: list[dict] = []
        self.file = None
        if out is None:
            return
        path = out / "metrics.jsonl"
        if resumed_at and path.exists():
            kept = []
            for line in path.read_text().splitlines():
                try:
                    kept.append(json.loads(line))
                except json.JSONDecodeError:
                    break  # cut short when the run was killed
            # Steps after the checkpoint will be taken, and logged, again.
            self.lines = [line for line in kept if line["step"] <= resumed_at]
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        self.file = path.open("a")

    def write(self, **values: float) -> None:
        self.lines.append(values)
        if self.file is not None:
            self.file.write(json.dumps(values) + "\n")
            self.file.flush()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


class KnnMonitor:
    """k-NN on the validation images, as a curve to watch; small, so that it costs little."""

    def __init__(self, bank: Pictures, val: Pictures):
        self.bank, self.val = bank, val

    @classmethod
    def of(cls, config: TrainConfig, data: Pictures | StreamedFolder) -> "KnnMonitor | None":
        """None where the data has no labels or nothing is held out."""
        if data.labels is None:
            return None
        try:
            bank = load_data(
                config.data, "labelled", config.eval_size, max_images=1000, seed=config.seed
            )
            val = load_data(config.data, "val", config.eval_size, max_images=500)
        except UserError as error:
            distributed.note(f"no k-NN during training: {error}")
            return None
        return cls(bank, val)

    def __call__(self, backbone: VisionTransformer) -> float:
        bank, val = (
            distributed.rows_of_all(lambda x: extract_features(backbone, x), p.images)
            for p in (self.bank, self.val)
        )
        return accuracy(knn_predict(bank, self.bank.labels, val), self.val.labels)
