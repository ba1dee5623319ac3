"""Build the site into ``build/site/html``: the worked notebooks, the documents, the public names.

    make site

Pages are copied to ``build/site/source``, and links to what is no page of the site are turned there
to lead to the repository. Notebooks are not run: their figures are those of ``solutions/``. The API
is read from the source files, so PyTorch need not be there.
"""

import argparse
import ast
import base64
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

import minidino
from minidino.course.doors import REPOSITORY, TAG, badge

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/site"
SOURCE = BUILD / "source"
PAGES = [
    *("README.md", "CONTRIBUTING.md", "docs/*.md", "docs/**/*.png", "solutions/[0-9][0-9]_*.ipynb"),
    *("results/**/*.md", "results/*.png"),
]
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
API = """# The public names

`from minidino import ...`: each is imported when it is first used, so that `import minidino` takes
no time.
The files they come from are one idea each; [the package](README.md#the-package) has their map.

"""
DIRECTIVE = """## {name}

```{{eval-rst}}
.. autoapi{kind}:: {path}
{members}```

"""


def pages() -> set[Path]:
    """Files of the repository that become pages or pictures, relative to its root."""
    return {p.relative_to(ROOT) for pattern in PAGES for p in ROOT.glob(pattern)}


def turned(text: str, page: Path, known: set[Path]) -> str:
    """A page's text with each relative link leading to a page of the site or to the repository."""

    def lead(link: re.Match) -> str:
        target = (ROOT / page.parent / link.group(1)).resolve().relative_to(ROOT)
        worked = Path("solutions") / target.name
        if target in known:
            return link.group()
        if worked in known:  # of a notebook the site has the worked one
            return f"]({'../' * len(page.parent.parts)}{worked.as_posix()}"
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"]({REPOSITORY}/{kind}/{TAG}/{target.as_posix()}"

    return LINK.sub(lead, text)


def notebook_page(page: Path, known: set[Path]) -> tuple[str, dict[str, bytes]]:
    """A worked notebook, without the marks of a solution; a badge opens the empty one.

    Also its attached pictures, by the names of the files that the page takes them from.
    """
    notebook = nbformat.read(ROOT / page, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"(?m)^\[Solution\]\(.*\)$", "", cell.source)  # it is this page
            cell.source = turned(text, page, known)
        else:
            cell.source = re.sub(r"(?m)^ *### (BEGIN|END) SOLUTION\n?", "", cell.source)
    pictures = {}
    first = notebook.cells[0]
    for name, kinds in first.pop("attachments", {}).items():
        file = f"{page.stem}-{name}"
        pictures[file] = base64.b64decode(kinds["image/png"])
        first.source = first.source.replace(f"(attachment:{name})", f"({file})")
    first.source += f"\n\n{badge(page.name)} (the empty notebook; this one is worked)"
    return nbformat.writes(notebook), pictures


def api_page() -> str:
    """The public names, each with its docstring and, of a class, those of its methods."""
    said = API
    for name in minidino.__all__:
        module = minidino._DEFINED_IN.get(name, name)
        file = ROOT / "minidino" / f"{module.replace('.', '/')}.py"
        file = file if file.exists() else file.with_suffix("") / "__init__.py"
        tree = ast.parse(file.read_text(encoding="utf-8"))
        (node,) = (n for n in tree.body if getattr(n, "name", "") == name)
        kind, members = "function", ""
        if isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            told = [m.name for m in methods if m.name[0] != "_" and ast.get_docstring(m)]
            kind, members = "class", f"   :members: {', '.join(told)}\n"
        said += DIRECTIVE.format(
            name=name, kind=kind, path=f"minidino.{module}.{name}", members=members
        )
    return said


def main() -> int:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    shutil.rmtree(BUILD, ignore_errors=True)
    known = pages()
    for page in sorted(known):
        (SOURCE / page).parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".png":
            shutil.copy(ROOT / page, SOURCE / page)
        elif page.suffix == ".ipynb":
            text, pictures = notebook_page(page, known)
            (SOURCE / page).write_text(text, encoding="utf-8")
            for name, png in pictures.items():
                (SOURCE / page.parent / name).write_bytes(png)
        else:
            text = (ROOT / page).read_text(encoding="utf-8")
            if not text.startswith("# "):  # what a program wrote is a table and no more
                text = f"# {page.stem}\n\n{text}"
            (SOURCE / page).write_text(turned(text, page, known), encoding="utf-8")
    shutil.copytree(ROOT / "docs/site", SOURCE, dirs_exist_ok=True)
    (SOURCE / "api.md").write_text(api_page(), encoding="utf-8")
    strict = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto"]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *strict, SOURCE, BUILD / "html"]
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
