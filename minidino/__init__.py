"""minidino: build DINO, self-distillation with no labels (arXiv 2104.14294), and use it."""

__version__ = "0.1.0"
