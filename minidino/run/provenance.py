"""Where a result comes from: commit, versions, device. Kept beside every result."""

import platform
import subprocess
from pathlib import Path

import numpy
import torch

from minidino import __version__


def commit() -> str:
    """The commit of this checkout, with ``-dirty`` if it was changed; "unknown" outside one."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def device_name(device: torch.device) -> str:
    """The GPU's own name, or the CPU with the threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU, {platform.machine()}"
    return f"cpu, {torch.get_num_threads()} threads"


def provenance(device: torch.device) -> dict[str, str]:
    """Commit, versions and device, as plain strings."""
    import torchvision  # here: it takes as long to import as torch

    return {
        "minidino": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "device": device_name(device),
    }
