# names: package's own answer
def train_step(
    run: Trainer, images: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    out = run.step(images)
    return out["loss"], out["entropy"]
