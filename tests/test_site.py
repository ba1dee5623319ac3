"""The site: links lead to pages or to the repository, and a build that warns is none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidino

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import make_site  # noqa: E402

KNOWN = {Path("README.md"), Path("docs/log.md"), Path("solutions/03_multi_crop.ipynb")}


@pytest.mark.parametrize(
    ("page", "link", "leads"),
    [
        ("README.md", "docs/log.md", "docs/log.md"),
        ("docs/log.md", "../README.md", "../README.md"),
        ("README.md", "notebooks/03_multi_crop.ipynb", "solutions/03_multi_crop.ipynb"),
        ("docs/log.md", "../notebooks/03_multi_crop.ipynb", "../solutions/03_multi_crop.ipynb"),
        (
            "README.md",
            "minidino/vit.py",
            f"{make_site.REPOSITORY}/blob/{make_site.TAG}/minidino/vit.py",
        ),
        ("docs/log.md", "../results/", f"{make_site.REPOSITORY}/tree/{make_site.TAG}/results"),
        ("README.md", "https://arxiv.org/abs/2104.14294", "https://arxiv.org/abs/2104.14294"),
        ("README.md", "#speed", "#speed"),
    ],
)
def test_links_lead_to_a_page_or_to_the_repository(page, link, leads):
    assert make_site.turned(f"[x]({link})", Path(page), KNOWN) == f"[x]({leads})"


def test_every_worked_notebook_and_document_is_a_page():
    found = make_site.pages()
    wanted = [
        *(ROOT / "solutions").glob("*.ipynb"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "README.md",
    ]
    assert {p.relative_to(ROOT) for p in wanted} <= found


def test_the_api_page_has_every_public_name_and_no_other():
    told = re.findall(
        r"autoapi(?:class|function):: minidino\.[\w.]+\.(\w+)$", make_site.api_page(), re.M
    )
    assert sorted(told) == sorted(minidino.__all__)


@pytest.mark.parametrize(
    "page", sorted((ROOT / "solutions").glob("*.ipynb")), ids=lambda p: p.name[:2]
)
def test_a_notebooks_first_picture_is_a_file_of_the_site(page):
    text, pictures = make_site.notebook_page(page.relative_to(ROOT), make_site.pages())
    (name,) = pictures
    assert pictures[name].startswith(b"\x89PNG") and f"]({name})" in text
    assert "attachment:" not in text
    assert r"\\arg\\max" not in text  # which the site's converter of equations does not know


def test_every_picture_of_a_document_is_a_file_of_the_site():
    """What is not becomes a link to the repository's page about the picture, and shows nothing."""
    known = make_site.pages()
    documents = [page for page in known if page.suffix == ".md"]
    for page in documents:
        for link in re.findall(r"!\[[^]]*\]\(([^):]+)\)", (ROOT / page).read_text("utf-8")):
            target = (ROOT / page.parent / link).resolve().relative_to(ROOT)
            assert target in known, f"{page}: {link}"
    assert len(documents) > 15


@pytest.mark.slow
def test_the_site_is_built_without_a_warning():
    python = ROOT / ".venv-site/bin/python"
    if not python.exists():
        pytest.skip("`make site` makes .venv-site, which has Sphinx; it has not been made")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([python, "tools/make_site.py"], check=True, cwd=ROOT, env=environment)
