"""Damaged files of every kind: bytes flipped, cut, doubled. A reader gives what is there, or says
in one line that it cannot; it never ends in another exception, and never asks for the moon.
"""

import io
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from minidino.config import TrainConfig, recipe
from minidino.data.pictures import MAX_PIXELS, UnreadablePicture, open_picture
from minidino.errors import UserError
from minidino.run.checkpoint import save_checkpoint
from minidino.trainer import Trainer
from minidino.vit import VisionTransformer
from minidino.weights.pretrained import load_pretrained

MEMORY = 3 * 2**30  # more than any of the files below may take, over what is in use before


def fuzz(examples: int):
    """The same examples each time; files differ in speed too much for a deadline."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damages(draw):
    """A function that harms bytes. Headers and tables lie at the ends, so these are hit more."""
    places = st.one_of(st.floats(0, 1), st.floats(0, 0.02), st.floats(0.97, 1))
    flips = draw(st.lists(st.tuples(places, st.integers(1, 255)), max_size=6))
    cut = draw(st.one_of(st.none(), st.none(), places))
    doubled = draw(st.one_of(st.none(), st.none(), st.tuples(places, st.integers(1, 64))))

    def harm(whole: bytes) -> bytes:
        data = bytearray(whole)
        for at, mask in flips:
            data[min(int(at * len(data)), len(data) - 1)] ^= mask
        if doubled is not None:
            at = int(doubled[0] * len(data))
            data[at:at] = data[at : at + doubled[1]]
        return bytes(data[: int(cut * len(data))] if cut is not None else data)

    return harm


@pytest.fixture
def bounded_memory():
    """Whoever asks for more than ``MEMORY`` gets a MemoryError, which no reader may let out."""
    if sys.platform != "linux":  # others do not bound it, or do not say what is in use
        yield
        return
    import resource

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def tiny_backbone() -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(16, 8, embed_dim=64, depth=1, num_heads=1)


def make_checkpoint(path):
    config = recipe(
        "things", embed_dim=12, depth=1, num_heads=2, out_dim=8, hidden_dim=8, bottleneck_dim=4
    )
    save_checkpoint(path, Trainer(config, 2, torch.device("cpu")).state_dict())


WEIGHTS = {
    "checkpoint.pt": make_checkpoint,
    "official.pth": lambda path: torch.save(tiny_backbone().state_dict(), path),
    "legacy.pth": lambda path: torch.save(
        tiny_backbone().state_dict(), path, _use_new_zipfile_serialization=False
    ),
    "export.safetensors": lambda path: save_file(
        tiny_backbone().state_dict(), path, {"num_heads": "1", "patch_size": "8"}
    ),
}
PICTURES = {
    "gray16.png": ("PNG", "I;16"), "palette.png": ("PNG", "P"), "rgba.png": ("PNG", "RGBA"),
    "photo.jpg": ("JPEG", "RGB"), "cmyk.jpg": ("JPEG", "CMYK"), "photo.webp": ("WEBP", "RGB"),
    "animated.gif": ("GIF", "P"), "photo.tif": ("TIFF", "RGB"), "photo.bmp": ("BMP", "RGB"),
    "photo.ppm": ("PPM", "RGB"),
}  # fmt: skip


def picture_bytes(form: str, mode: str) -> bytes:
    noise = Image.effect_noise((40, 30), 90)
    picture = noise.convert("I").convert(mode) if mode == "I;16" else noise.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    more = {"exif": exif} if form in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    if form == "GIF":
        more = {"save_all": True, "append_images": [picture.rotate(180)]}
    file = io.BytesIO()
    picture.save(file, form, **more)
    return file.getvalue()


def read_weights(path):
    """None if they were refused in words."""
    try:
        backbone = load_pretrained(path)
    except UserError as error:
        assert str(path) in str(error)
        return None
    assert all(v.isfinite().all() for v in backbone.state_dict().values())
    return backbone


def read_picture(path):
    try:
        picture = open_picture(path)
    except UnreadablePicture as error:
        assert path.name in str(error) and "\n" not in str(error)
        return None
    assert picture.mode == "RGB" and 0 < picture.width * picture.height <= MAX_PIXELS
    return picture


def run_fuzz(path, whole, read, examples):
    path.write_bytes(whole)
    assert read(path) is not None  # the undamaged file is good
    outcomes = []

    @fuzz(examples)
    @given(damages())
    def attack(harm):
        path.write_bytes(harm(whole))
        outcomes.append(read(path) is not None)

    attack()
    assert len(outcomes) >= examples * 0.9
    assert not all(outcomes)  # the damage was real
    print(f"{path.name}: {len(outcomes)} examples, {outcomes.count(False)} refused")


@pytest.mark.parametrize("name", WEIGHTS)
def test_damaged_weights(name, tmp_path, bounded_memory):
    WEIGHTS[name](tmp_path / name)
    run_fuzz(tmp_path / name, (tmp_path / name).read_bytes(), read_weights, 200)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PICTURES)
def test_damaged_pictures(name, tmp_path, bounded_memory):
    run_fuzz(tmp_path / name, picture_bytes(*PICTURES[name]), read_picture, 200)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*WEIGHTS, *PICTURES])
def test_more_damage(name, tmp_path, bounded_memory):
    if name in WEIGHTS:
        WEIGHTS[name](tmp_path / name)
        run_fuzz(tmp_path / name, (tmp_path / name).read_bytes(), read_weights, 3000)
    else:
        run_fuzz(tmp_path / name, picture_bytes(*PICTURES[name]), read_picture, 3000)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.binary(max_size=3),
    st.lists(st.floats(), max_size=3), st.tuples(st.floats(), st.floats()), st.just({}),
)  # fmt: skip


@fuzz(500)
@given(st.data())
def test_any_value_of_any_setting(data):
    """A configuration is made, or refused by a UserError; and what was made can be kept."""
    config = recipe("things").to_dict()
    for name in data.draw(st.lists(st.sampled_from(sorted(config)), min_size=1, max_size=3)):
        config[name] = data.draw(VALUES)
    look = config["appearance"]
    if isinstance(look, dict) and look and data.draw(st.booleans()):
        look[data.draw(st.sampled_from(sorted(look)))] = data.draw(VALUES)
    try:
        made = TrainConfig.from_dict(config)
    except UserError:
        return
    assert TrainConfig.from_dict(made.to_dict()) == made
