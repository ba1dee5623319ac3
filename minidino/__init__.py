"""minidino: build DINO, self-distillation with no labels (arXiv 2104.14294), and use it."""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# The public names and the modules that define them. Each is imported when it is first asked for,
# so that ``import minidino`` does not wait for PyTorch.
_DEFINED_IN = {
    "VisionTransformer": "vit",
    "MultiCrop": "crops",
    "DINOHead": "head",
    "DINOLoss": "loss",
    "update_teacher": "teacher",
    "recipe": "config",
    "load_data": "data",
    "load_pretrained": "weights.pretrained",
    "extract_features": "evaluate",
    "knn_predict": "evaluate",
    "linear_probe": "evaluate",
    "attention_maps": "attention",
}
__all__ = [*_DEFINED_IN, "train"]

# What Apple's GPUs lack PyTorch then computes on the CPU, with a warning that names it. PyTorch
# reads this when it is imported.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")


def __getattr__(name: str) -> Any:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_DEFINED_IN[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
