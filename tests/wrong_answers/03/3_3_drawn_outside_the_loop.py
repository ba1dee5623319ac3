# names: Your loop never ends where a box does not fit at once
def draw_boxes(
    n: int, height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    def uniform(low, high):
        return low + (high - low) * torch.rand((), generator=generator).item()

    boxes = []
    for _ in range(n):
        share = uniform(*scale)
        ratio = math.exp(uniform(math.log(3 / 4), math.log(4 / 3)))
        while True:
            h = round(math.sqrt(share * height * width / ratio))
            w = round(math.sqrt(share * height * width * ratio))
            if h <= height and w <= width:
                break
        top = torch.randint(0, height - h + 1, (), generator=generator).item()
        left = torch.randint(0, width - w + 1, (), generator=generator).item()
        boxes.append([top, left, h, w])
    return torch.tensor(boxes)
