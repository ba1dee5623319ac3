"""Write the tables of speed in the documents from what the benchmarks left in ``results/``.

    python benchmarks/throughput.py --out results/throughput-things-cpu     # and so on
    python tools/speed_tables.py

Nothing is measured here, and no number of the tables is typed by hand.
"""

import json
import statistics
from pathlib import Path

import tyro

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
DOCUMENTS = (ROOT / "README.md", ROOT / "docs/performance.md", ROOT / "docs/race.md")
BEGIN, END = "<!-- written by tools/speed_tables.py: {} -->", "<!-- end -->"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(r)} |" for r in [head, ["---"] * len(head), *rows])


def times(ours: list[float], theirs: list[float]) -> float:
    """How many times as fast ours is: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def digits(rates: list[float]) -> str:
    """The median, with a decimal where it is small."""
    middle = statistics.median(rates)
    return f"{middle:.0f}" if middle > 20 else f"{middle:.1f}"


def measured_on(result: dict) -> str:
    return f"{result['device']}, torch {result['torch']}, commit {result['commit']}"


def contenders(name: str) -> str:
    """Everyone's images/s, end to end and the step alone, and how many times as fast ours is."""
    result = json.loads((RESULTS / f"{name}.json").read_text())
    all_rates = result["images_per_second"]
    rows = []
    for who, r in all_rates.items():
        if who.startswith("without"):
            continue
        row = [who]
        for key in ("end_to_end", "step_alone"):
            ratio = times(all_rates["minidino"][key], r[key])
            row += [digits(r[key]), f"{ratio:.2f} x"]
        row.append(f"{r['share_of_peak']:.0%}")
        row.append(f"{r['peak_bytes'] / 2**20:.0f} MiB" if "peak_bytes" in r else "")
        rows.append(row)
    head = ["", "end to end, images/s", "minidino to it", "step alone", "minidino to it",
            "of the peak", "memory"]  # fmt: skip
    note = (
        f"{result['recipe']}, batch {result['batch_size']}; peak "
        f"{result['matmul_peak'] / 1e9:.0f} GFLOP/s; {measured_on(result)}"
    )
    return f"{markdown(head, rows)}\n\n({note})"


def ladder(name: str) -> str:
    """How much longer a step takes without each optimisation."""
    result = json.loads((RESULTS / f"{name}.json").read_text())
    rates = {who: r["step_alone"] for who, r in result["images_per_second"].items()}
    rows = []
    for who, values in rates.items():
        if who.startswith("without: "):
            slower = [100 * (a / b - 1) for a, b in zip(rates["minidino"], values, strict=True)]
            middle = statistics.median(slower)
            low, _, high = statistics.quantiles(slower, n=4, method="inclusive")
            name = who.removeprefix("without: ")
            rows.append([name, f"{middle:+z.0f}%", f"{low:+z.0f} to {high:+z.0f}%"])
    return markdown(["without", "time of a step", "half of the rounds"], rows)


def parts(name: str) -> str:
    """Where the time of a step goes."""
    result = json.loads((RESULTS / f"{name}.json").read_text())
    seconds = result["seconds"]
    rows = [[n, f"{1e3 * s:.1f} ms", f"{s / seconds['whole']:.0%}"] for n, s in seconds.items()]
    return f"{markdown(['part', 'time', 'share'], rows)}\n\n({measured_on(result)})"


def summary(names: str) -> str:
    """A line for each benchmark: images/s end to end of everyone, and the ratio to each peer."""
    rows = []
    for name in names.split(","):
        result = json.loads((RESULTS / f"{name}.json").read_text())
        rates = {who: r.get("end_to_end") for who, r in result["images_per_second"].items()}
        ours, row = rates["minidino"], [f"`{result['recipe']}`, batch {result['batch_size']}"]
        row.append(digits(ours))
        for peer in ("dino.py", "lightly + timm"):
            row.append(f"{digits(rates[peer])} ({times(ours, rates[peer]):.1f} x)")
        rows.append(row)
    told = f"({result['device']}, torch {result['torch']}, lightly {result['lightly']}, "
    head = ["network", "minidino", "the page `dino.py`", "lightly + timm"]
    return f"{markdown(head, rows)}\n\n{told}timm {result['timm']})"


def race(name: str) -> str:
    """The records of a race, the newest first; a line that says so where there is none."""
    path = RESULTS / f"{name}.json"
    records = json.loads(path.read_text()) if path.exists() else []
    if not records:
        return "No record has been entered yet."
    targets = list(records[0]["seconds_to"])
    rows = []
    for record in reversed(records):
        runs = record["runs"]
        row = ["never" if (s := record["seconds_to"][t]) is None else f"{s:.0f}" for t in targets]
        for key, digit in (("knn_last", 1), ("knn_random", 1), ("images_per_second", 0)):
            row.append(f"{statistics.mean(run[key] for run in runs):.{digit}f}")
        where = f"{runs[0]['hardware']}, torch {runs[0]['torch']}"
        rows.append([*row, f"`{record['commit']}`", where, record["author"], record["changed"]])
    head = [*(f"seconds to {t}%" for t in targets), "k-NN at the end", "of random weights",
            "images/s", "commit", "hardware", "author", "what changed"]  # fmt: skip
    return markdown(head, rows)


def written(document: str) -> str:
    """The document with every table written anew."""
    kinds = {"summary": summary, "contenders": contenders, "ladder": ladder, "parts": parts}
    kinds["race"] = race
    out, rest = "", document
    marker = BEGIN.split("{}")[0]
    while marker in rest:
        before, rest = rest.split(marker, 1)
        what, rest = rest.split(" -->", 1)
        kind, name = what.split()
        out += before + BEGIN.format(what) + "\n" + kinds[kind](name) + "\n" + END
        rest = rest.split(END, 1)[1]
    return out + rest


def main() -> None:
    """Write the tables."""
    for document in DOCUMENTS:
        document.write_text(written(document.read_text()))
        print(f"wrote {document}")


if __name__ == "__main__":
    tyro.cli(main)
