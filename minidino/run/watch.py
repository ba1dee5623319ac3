"""An eye on a long run: has it collapsed, has it become slow? It tells, and changes nothing.

Numbers that are none any more are the one thing that ends a run.
"""

import math
import statistics
from collections import deque
from collections.abc import Sequence

from minidino.errors import UserError

# Shares of ln K: targets of different images differ by less, H is near 0, H is near ln K.
ALIKE, PEAKED, FLAT = 0.002, 0.1, 0.9
ONE_ANSWER = 0.05  # spread of a rival's answers, of 1 (rivals/common.py)
SLOW, WELL_AGAIN = 0.5, 0.75  # of the best rate so far

ADVICE = {
    "peaked": "a higher --teacher-temp, a lower --center-momentum, or a lower --base-lr",
    "flat": "a lower --teacher-temp, fewer prototypes (--out-dim), or a lower --base-lr",
    "constant": "a lower --base-lr, more --warmup-epochs, or a higher --teacher-momentum",
}


def verdict(lines: Sequence[dict], out_dim: int) -> str:
    """Whether a run has collapsed, in one sentence, from the last lines of its log.

    Args:
        lines: of ``metrics.jsonl``; the last ten that tell of a collapse are read.
        out_dim: number K of prototypes.
    """
    lines = [line for line in lines if "spread" in line or {"usage", "entropy"} <= line.keys()]
    last, ln_k = lines[-10:], math.log(out_dim)
    if not last:
        return "no step was logged, so whether it collapsed is not known"
    if "spread" in last[-1]:
        mean = statistics.mean(line["spread"] for line in last)
        if mean < ONE_ANSWER:
            return f"every image gets the same answer (spread {mean:.3f} of 1): it has collapsed"
        return f"not collapsed: answers spread {mean:.2f} of 1"
    if kind := collapsed(last, ln_k):
        return f"every image gets the same {kind} target: it has collapsed; try {ADVICE[kind]}"
    told = statistics.mean(line["usage"] - line["entropy"] for line in last)
    return f"not collapsed: a target tells {told:.2f} nats of its image (at most {ln_k:.2f})"


def collapsed(lines: Sequence[dict], ln_k: float) -> str | None:
    """How the targets of some steps collapsed: "peaked", "flat" or "constant"; None if not."""
    if max(line["usage"] - line["entropy"] for line in lines) >= ALIKE * ln_k:
        return None
    share = statistics.mean(line["entropy"] for line in lines) / ln_k
    return "peaked" if share < PEAKED else "flat" if share > FLAT else "constant"


class TrainingDiverged(UserError):
    """The loss or the weights are no longer numbers."""

    # Built by a function, so that the exception can be sent between processes: what pickle calls
    # again is the constructor, with the message alone.
    @classmethod
    def at(cls, step: int, what: str) -> "TrainingDiverged":
        """The exception for what was seen at a step."""
        return cls(
            f"{what} at step {step}; the last checkpoint is kept. Try a lower --base-lr, more "
            "--warmup-epochs, or, where it ran in fp16, --precision fp32"
        )


class Watch:
    """Reads the lines of a log as they are written.

    Args:
        out_dim: number K of prototypes.
        warmup: steps in which a collapse is not looked for: a network that has yet to learn
            gives all images nearly the same target.
        window: how many lines in a row must show a trouble before it is told.

    A trouble is told once, and again only if it went away and came back.
    """

    def __init__(self, out_dim: int, warmup: int = 0, window: int = 10):
        self.ln_k, self.warmup = math.log(out_dim), warmup
        self.lines: deque[dict] = deque(maxlen=window)
        self.best_rate = 0.0
        self.told: set[str] = set()

    def see(self, line: dict) -> list[str]:
        """Sentences about the troubles that begin with this line of ``metrics.jsonl``."""
        self.lines.append(line)
        if len(self.lines) < self.lines.maxlen:
            return []
        when = f"steps {self.lines[0]['step']:,} to {line['step']:,}: "
        found = self._collapse() | self._slowness()
        new = [when + text for trouble, text in found.items() if trouble not in self.told]
        self.told = set(found)
        return new

    def _collapse(self) -> dict[str, str]:
        if self.lines[0]["step"] <= self.warmup:
            return {}
        if "spread" in self.lines[0]:
            if max(line["spread"] for line in self.lines) >= ONE_ANSWER:
                return {}
            return {"collapse": "every image gets the same answer. The training has collapsed"}
        kind = collapsed(self.lines, self.ln_k)
        if kind is None:
            return {}
        h = statistics.mean(line["entropy"] for line in self.lines)
        return {
            "collapse": f"every image gets the same {kind} target (H {h:.3f}, ln K "
            f"{self.ln_k:.3f}). The training has collapsed; start again with {ADVICE[kind]}"
        }

    def _slowness(self) -> dict[str, str]:
        rate = statistics.median(line["images_per_second"] for line in self.lines)
        limit = WELL_AGAIN if "slow" in self.told else SLOW
        if rate >= limit * self.best_rate:
            self.best_rate = max(self.best_rate, rate)
            return {}
        return {
            "slow": f"{rate:.0f} images/s, it was {self.best_rate:.0f}. Is another program using "
            "this machine, or has it become too hot?"
        }
