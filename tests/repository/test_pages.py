"""README.md, its Chinese sister and docs/: length, links, tables, commands and numbers."""

import re
import urllib.parse
from pathlib import Path

import pytest

from src.cost.count import cost_of
from src.model import create_model, default_precision, image_size_of, model_names
from src.model.networks.mindcv import names

ROOT = Path(__file__).resolve().parents[2]
READMES = [ROOT / "README.md", ROOT / "README_CN.md"]
PAGES = [*READMES, *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
MAX_CELL = 200  # characters: about a sentence


def name(path):
    return path.name


def prose(text):
    """A page without its blocks of code."""
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def code(text, language):
    """The lines of a page's blocks of a language, without comments."""
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [re.sub(r" +#.*", "", line) for block in blocks for line in block.splitlines()]


def numbers(text):
    """All numbers of a page's prose in their order, those of links included."""
    return re.findall(r"\d+(?:[.,]\d+)*", prose(text))


def anchors(text):
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(text):
    """Targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text)) + re.findall(r'(?:src|srcset)="([^"]+)"', prose(text))


@pytest.mark.parametrize("page", READMES, ids=name)
def test_the_readme_is_one_page(page):
    lines = page.read_text().splitlines()
    assert len(lines) <= 160
    cells = [cell.strip() for line in lines if line.startswith("|") for cell in line.strip("|").split("|")]
    assert len(cells) > 50 and max(map(len, cells)) <= MAX_CELL


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page):
    for link in links(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = urllib.parse.unquote(link).partition("#")
        target = page.parent / file if file else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_page_of_docs_can_be_reached_from_the_readme():
    for page in READMES:
        reached = {link.partition("#")[0] for link in links(page.read_text())}
        assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= reached


def test_the_chinese_page_has_the_same_commands_and_numbers():
    english, chinese = (page.read_text() for page in READMES)
    for language in ("bash", "python", "bibtex"):
        lines = code(english, language)
        assert lines and lines == code(chinese, language)
    found = numbers(english)
    assert len(found) > 50 and found == numbers(chinese)
    assert links(english)[1:] == links(chinese)[1:]  # the first ones lead to each other
    assert len(re.findall("[\u4e00-\u9fff]", chinese)) > 500


def test_the_table_of_networks_has_every_name():
    page = (ROOT / "docs" / "networks.md").read_text().partition("## Which name gives which network")[2]
    rows = [line for line in page.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    listed = re.findall(r"`(\w+)`", " ".join(rows))
    assert not set(model_names()) - set(listed)
    of_mindcv = set(re.findall(r"`(\w+)`", rows[-1]))
    assert len(of_mindcv) == 4 and of_mindcv <= set(names())


@pytest.mark.parametrize("model", ["bimlp_s", "bimlp_t", "wave_mlp_nano"])
def test_the_table_of_models_is_what_the_cost_counter_counts(model):
    network = create_model(model, 1000, default_precision(model), backend="plain")
    found = cost_of(network, image_size_of(model), model).totals()
    packed = found["packed_bytes"]
    row = [
        str(image_size_of(model)),
        f"{found['params']:,}",
        f"{found['ops'] / 1e6:.2f} M",
        "-" if packed is None else f"{packed:,}",
    ]
    for page in READMES:
        [line] = [line for line in page.read_text().splitlines() if line.startswith(f"| `{model}` |")]
        assert [cell.strip() for cell in line.strip("|").split("|")][2:6] == row


def test_the_three_numbers_stand_in_the_pages_that_they_lead_to():
    performance, results = ((ROOT / "docs" / page).read_text() for page in ("performance.md", "results.md"))
    assert "| engine, AMX, 1-bit BiMLP-S | 6.31 [" in performance
    assert "| ONNX Runtime, Wave-MLP-T | 47.5 [" in performance
    assert re.search(r"\| `bimlp_t` binary, training step .*\| \*\*2.78\*\* \[", performance)
    assert "| step 2, **1 bit** | **0.6740** |" in results and "| fp32 teacher | 0.6660 |" in results
