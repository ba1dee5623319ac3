# names: half as likely as the others
def draw_boxes(
    n: int, height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    def draw(low, high):
        return low + (high - low) * torch.rand(1, generator=generator).item()

    boxes = []
    for _ in range(n):
        while True:
            s, r = draw(*scale), math.exp(draw(math.log(3 / 4), math.log(4 / 3)))
            area = s * height * width
            h, w = round(math.sqrt(area / r)), round(math.sqrt(area * r))
            if h <= height and w <= width:
                break
        top, left = round(draw(0, 1) * (height - h)), round(draw(0, 1) * (width - w))
        boxes.append([top, left, h, w])
    return torch.tensor(boxes)
