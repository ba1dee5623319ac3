"""``minidino demo``."""

from pathlib import Path

from minidino.using.demo import describe, run_demo


def demo_command(
    out: Path = Path("runs/demo"), seed: int = 0, minutes: float = 5.0, device: str | None = None
) -> None:
    """Train on ThingsOnStuff for a few minutes and look at the attention that emerges.

    Writes summary.json, attention.png, curves.png and filmstrip.png.

    Args:
        out: Folder for the run; it must not hold one already.
        seed: Decides the images, the weights and every augmentation.
        minutes: Longest training time.
        device: cpu, cuda or mps (Apple); by default the fastest that is here.
    """
    summary = run_demo(out, seed=seed, minutes=minutes, device=device)
    print(describe(summary, out))
