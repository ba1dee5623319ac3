"""docs/claims.md: every row is whole, points at what is there, and its numbers come out again."""

import json
import math
import re
import statistics
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from minidino import DINOLoss, VisionTransformer
from minidino.cli import COMMANDS
from minidino.config import RECIPES, recipe
from minidino.trainer import Network

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
from measure import flops  # noqa: E402

PAGE = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
VERDICTS = [
    "holds",
    "holds here in miniature",
    "not seen at this scale",
    "contradicted by the paper itself",
    "misleading",
    "not checkable here",
    "open",
]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+ \|", line)
]


def evidence(claim: str) -> str:
    """Claim and evidence of the one row whose claim has these words."""
    (row,) = (r for r in ROWS if claim in r[2])
    return f"{row[2]} {row[4]}"


# ------------------------------------------------------------------ the rows


def test_every_row_has_a_place_a_verdict_and_an_evidence():
    assert [row[0] for row in ROWS] == [str(n + 1) for n in range(len(ROWS))]
    for row in ROWS:
        assert len(row) == 5 and all(row), row
        assert row[3] in VERDICTS, row


def test_the_counts_at_the_end_are_those_of_the_rows():
    _, _, end = PAGE.partition("## Count")
    said = dict(re.findall(r"^\| ([a-z ]+) \| (\d+) \|$", end, re.MULTILINE))
    counted = Counter(row[3] for row in ROWS)
    assert said == {v: str(counted[v]) for v in VERDICTS} | {"all": str(len(ROWS))}


def test_every_command_is_one_of_the_command_line():
    """An open row may name the command that is to settle it."""
    for row in ROWS:
        for command in re.findall(r"`minidino (\w+)", row[4]):
            assert command in COMMANDS or (row[3], command) == ("open", "compare"), row


def test_every_open_row_says_what_will_settle_it():
    for row in ROWS:
        if row[3] == "open":
            assert "`minidino " in row[4], row


def test_every_file_and_every_test_named_is_there():
    files = {f for r in ROWS for f in re.findall(r"`(?:pytest )?(\w[\w/-]*\.\w+)[ `]", r[4])}
    assert "tests/test_claims.py" in files and all((ROOT / f).is_file() for f in files)
    tests = [(f, k) for r in ROWS for f, k in re.findall(r"`pytest (\S+) -k (\w+)`", r[4])]
    assert len(tests) > 10
    for file, words in tests:
        names = re.findall(r"^def (test_\w+)", (ROOT / file).read_text(encoding="utf-8"), re.M)
        assert any(words in name for name in names), (file, words)
    for recipe_named in re.findall(r"recipe `([\w-]+)`", PAGE):
        assert recipe_named in RECIPES


def shown_by(file: Path) -> str:
    """What a file shows: of a notebook, what its cells have printed; what it says is a claim."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".ipynb":
        return text
    outputs = [o for c in json.loads(text)["cells"] for o in c.get("outputs", [])]
    return "\n".join("".join(o.get("text", "")) for o in outputs)


def figures(told: str) -> dict[str, bool]:
    """Of an evidence, each figure in a sentence with a link, and whether a linked file shows it.

    A file's figure may have more digits. Numbers of sections and in code are no figures.
    """
    found = {}
    for sentence in re.split(r"\. ", told):
        links = [x for x in re.findall(r"\]\(([^)#]+)", sentence) if "://" not in x]
        shown = "\n".join(shown_by(ROOT / "docs" / link) for link in links)
        there = re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", shown)
        bare = re.sub(r"\]\([^)]+\)|`[^`]+`|(section|arXiv) [\d.]+", "", sentence)
        for figure in re.findall(r"\d+\.\d+", bare) if links else ():
            digits = len(figure.partition(".")[2])
            found[figure] = any(
                len(x.partition(".")[2]) >= digits and f"{float(x):.{digits}f}" == figure
                for x in there
            )
    return found


def test_figures_beside_a_link_stand_where_it_leads():
    checked = {row[0]: figures(row[4]) for row in ROWS}
    for number, found in checked.items():
        assert all(found.values()), (number, found)
    assert sum(map(len, checked.values())) >= 60
    assert len([found for found in checked.values() if found]) >= 15


def test_a_figure_that_a_linked_file_no_longer_shows_is_seen():
    """A row as it once stood: only the clause with the link was looked at, and 0.04 is there."""
    outdated = (
        "160 frames of DAVIS, weights of ten painted shapes: best head 0.11, as random weights; "
        "mean map 0.04, random weights 0.09 ([notebook 09](../solutions/09_attention.ipynb))"
    )
    assert figures(outdated) == {"0.11": False, "0.04": True, "0.09": True}


def test_figures_of_the_seeds_are_those_of_the_results():
    seeds = [json.loads(f.read_text()) for f in sorted((ROOT / "results/things").glob("seed*"))]

    def span(key: str, digits: int) -> str:
        values = [s[key] for s in seeds]
        return f"{min(values):.{digits}f} to {max(values):.{digits}f}"

    found = evidence("The last block's attention finds objects")
    assert span("jaccard_best_head", 2) in found and span("jaccard_best_head_random", 2) in found
    assert span("jaccard_mean", 2) in evidence("The boundaries")
    accuracy = evidence("Recipe: freeze")
    assert f"{span('knn', 1)}%" in accuracy and f"{span('knn_random', 1)}%" in accuracy
    told = [re.search(r"tells ([\d.]+) nats", s["verdict"]).group(1) for s in seeds]
    assert f"{min(told)} to {max(told)} nats" in evidence("The two together")
    first = seeds[0]  # whose weights are the package's minidino_things
    attended = evidence("[CLS] attends to the object")
    for key in ("best_head", "mean"):
        for suffix in ("", "_random"):
            # The file has four digits, so the third may be one off.
            value = first[f"jaccard_{key}{suffix}"]
            assert any(f"{value + e:.3f}" in attended for e in (-5e-5, 0, 5e-5)), key
    assert f"{max(first['jaccard_heads']):.3f}" in evidence("Free segmentation")


def test_figures_of_the_comparison_are_those_of_its_table():
    """Each mean with its range, "96.8 (96.0 to 97.4)", and each of linear less k-NN."""
    table = (ROOT / "results/compare-things-cpu.md").read_text(encoding="utf-8")
    found = json.loads((ROOT / "results/compare-things-cpu.json").read_text(encoding="utf-8"))
    rows = [row for row in ROWS if "compare-things-cpu" in row[4]]
    assert len(rows) >= 6
    quoted = [x for row in rows for x in re.findall(r"[\d.]+ \([\d.]+ to [\d.]+\)", row[4])]
    assert len(quoted) >= 10
    for figure in quoted:
        assert figure in table, figure
    less = {
        name: statistics.mean(
            run["linear"] - run["knn"] for run in found["runs"] if run["variant"] == variant
        )
        for name, variant in (
            ("DINO", "dino"),
            ("BYOL", "byol"),
            ("SwAV", "swav"),
            ("MoCo v2", "moco"),
        )
    }
    told = ", ".join(f"{name} {x:.1f}" for name, x in less.items())
    assert told in evidence("better ordered locally")


def test_the_share_of_the_loss_in_a_step_is_that_of_the_results():
    seconds = json.loads((ROOT / "results/split-things-cpu.json").read_text())["seconds"]
    said = evidence("Their tricks cost complexity")
    assert f"{1e3 * seconds['loss']:.1f} ms" in said and f"{1e3 * seconds['whole']:.1f}" in said


# ------------------------------------------------------------------ the walkthrough, in float64

TEACHER, CENTER = [2.1, 0.3, 0.1, 0.8], [1.5, 0.2, 0.1, 0.6]
STUDENT, UNSURE = [1.9, 0.8, 0.4, 0.7], [0.1, 0.6, 0.2, 0.1]
CENTRED = [t - c for t, c in zip(TEACHER, CENTER, strict=True)]
EXP_T, EXP_S = [math.exp(x / 0.05) for x in CENTRED], [math.exp(x / 0.1) for x in STUDENT]
P_T, P_S = [e / sum(EXP_T) for e in EXP_T], [e / sum(EXP_S) for e in EXP_S]


def terms(q: list[float], p: list[float]) -> list[float]:
    return [-a * math.log(b) for a, b in zip(q, p, strict=True)]


def test_exponentials_of_the_walkthrough():
    said = evidence("The centred scores")
    assert [round(x, 12) for x in CENTRED] == [0.6, 0.1, 0.0, 0.2]
    assert f"e^12 = {EXP_T[0]:,.2f}" in said and f"e^4 = {EXP_T[3]:.3f}" in said
    assert f"e^2 = {EXP_T[1]:.3f}" in said and f"e^19 = {EXP_S[0]:,.0f}" in said
    assert f"e^8 = {EXP_S[1]:,.2f}" in said and f"e^7 = {EXP_S[3]:,.2f}" in said
    assert f"{sum(EXP_S):,.0f}" in said
    # What the article prints of them is right, but for one sum.
    assert [f"{e:.1f}" for e in EXP_T[1:]] == ["7.4", "1.0", "54.6"] and round(EXP_T[0]) == 162755
    assert f"{sum(EXP_T):,.2f}" in evidence("The teacher's four sum")
    assert round(sum(EXP_T) - 162817.4, 1) == 0.4


def test_probabilities_of_the_walkthrough():
    said = evidence("Both first probabilities")
    assert f"{P_T[0]:.5f} and {P_S[0]:.5f}" in said
    assert f"{P_T[0]:.3f}" == f"{P_S[0]:.3f}" == "1.000"
    assert all(f"{p:.3f}" == "0.000" for p in P_T[1:] + P_S[1:])
    peaked = evidence("The target is very peaked")
    assert f"{sum(terms(P_T, P_T)):.4f} nats" in peaked and f"{math.log(4):.4f}" in peaked


def test_agreement_and_disagreement_of_the_walkthrough():
    each, said = terms(P_T, P_S), evidence("The loss is about 0.001")
    assert f"{sum(each):.4f}" in said and f"{each[3]:.4f} at the fourth" in said
    assert f"{each[0]:.5f} at the first" in said
    said = evidence("The loss is about 2.30")
    assert f"{sum(terms(P_T, UNSURE)):.4f}" in said
    assert f"{-0.999 * math.log(0.1):.4f}" in said
    said = evidence("The loss penalises disagreement")
    assert f"{sum(terms(P_T, P_T)):.4f} of the {sum(each):.4f}" in said


# ------------------------------------------------------------------ counts


def test_terms_of_the_multi_crop_loss():
    for name, views in (("paper-vits16", 10), ("things", 6)):
        config = recipe(name)
        assert 2 + config.n_local == views
        pairs = [(t, s) for t in range(2) for s in range(views) if s != t]
        of_globals = [pair for pair in pairs if pair[1] < 2]
        assert len(of_globals) == 2
        if name == "paper-vits16":
            assert f"2 of the {len(pairs)} terms" in evidence("The student's local views")
            assert f"2 x {views} - 2 = {len(pairs)}" in evidence("Cross-entropy of two")
    assert "2 and 8 in the recipe `paper-vits16`, 2 and 4 in `things`" in evidence("Two large")


def test_half_lives_of_the_teacher():
    said = evidence("The teacher is a slow moving average")
    for name in ("paper-vits16", "things"):
        momentum = recipe(name).teacher_momentum
        steps = math.log(0.5) / math.log(momentum)
        assert re.search(rf"\b{steps:.0f}( steps)? at (the )?{momentum}\b", said), (name, steps)


def test_the_loss_of_an_image_does_not_see_other_images():
    """A contrastive loss would: there the scores of a batch are compared with each other."""
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(4, 5, 16, generator=generator)  # (views, images, K)
    teacher = torch.randn(2, 5, 16, generator=generator)
    loss = DINOLoss(out_dim=16).eval()
    loss.center.normal_(generator=generator)
    alone = [loss(student[:, i], teacher[:, i], 0.04).item() for i in range(5)]
    together = loss(student.flatten(0, 1), teacher.flatten(0, 1), 0.04).item()
    assert together == pytest.approx(statistics.mean(alone), rel=1e-5)


def test_no_batch_norm_in_backbone_and_head():
    kinds = {type(m).__name__ for m in Network(recipe("things")).modules()}
    assert "LayerNorm" in kinds and not [kind for kind in kinds if "BatchNorm" in kind]


def flops_by_hand(side: int, patch: int, width: int, depth: int = 12) -> int:
    """Of a ViT's matrix products: patches; per block qkv, both of attention, projection, MLP."""
    n = (side // patch) ** 2
    tokens = n + 1
    block = tokens * 12 * width**2 + 2 * tokens**2 * width
    return 2 * (n * 3 * patch**2 * width + depth * block)


def test_patch_size_and_its_cost():
    small = VisionTransformer(patch_size=16, embed_dim=96, depth=2, num_heads=3).eval()
    with torch.no_grad():
        counted = flops(lambda: small.get_intermediate_layers(torch.zeros(1, 3, 224, 224), 1)[0])
    assert counted == flops_by_hand(224, 16, 96, depth=2)
    base = {p: flops_by_hand(224, p, 768) / 1e9 for p in (8, 16)}
    said = evidence("ViT-B/8 does 63")
    assert f"{base[8]:.1f} against {base[16]:.1f} GFLOP" in said
    assert f"{base[8] / base[16]:.1f} times" in said
