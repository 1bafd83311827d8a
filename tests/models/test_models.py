"""The trained networks in models/: the files that models.json names, their size, what they answer, and what README.md says of them."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.conftest import process, succeed

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
ENTRIES = json.loads((MODELS / "models.json").read_text())
LARGEST = 1_000_000  # bytes


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry["file"])
def entry(request):
    return request.param


def test_every_packed_file_is_named_once():
    assert sorted(entry["file"] for entry in ENTRIES) == sorted(path.name for path in MODELS.glob("*.packed"))


def test_a_file_is_small_and_the_one_that_is_meant(entry):
    data = (MODELS / entry["file"]).read_bytes()
    assert len(data) < LARGEST
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]


def test_the_readme_says_of_a_file_what_it_is(entry):
    share = f"{entry['correct'] / entry['total']:.4f} ({entry['correct']}/{entry['total']})"
    size = f"{(MODELS / entry['file']).stat().st_size:,}"
    cells = (
        f"`{entry['file']}`",
        f"`{entry['network']}`",
        entry["data"],
        share,
        size,
        f"`{entry['sha256']}`",
    )
    assert f"| {' | '.join(cells)} |" in (MODELS / "README.md").read_text()


@pytest.mark.parametrize(
    "entry", [each for each in ENTRIES if each["data"] == "digits"], ids=lambda e: e["file"]
)
def test_digits_are_answered_as_measured(entry):
    score = json.loads(succeed("eval.py", "--checkpoint", MODELS / entry["file"], "--json", "--per_class"))
    assert (score["correct"], score["total"]) == (entry["correct"], entry["total"])
    counts = [f"{each['correct']}/{each['total']}" for each in score["per_class"].values()]
    assert ", ".join(counts) in " ".join((MODELS / "README.md").read_text().split())


def test_a_picture_is_answered_as_the_readme_shows(tmp_path):
    seven = tmp_path / "seven.png"
    assert process("scripts/digit_picture.py", seven).returncode == 0
    said = succeed("eval.py", "--checkpoint", MODELS / "digits.packed", "--json", "--image", seven)
    assert json.loads(said)[str(seven)][0]["class"] == 7


def test_pictures_are_four_of_each_class():
    names = sorted(path.stem for path in (MODELS / "pictures").iterdir())
    classes = sorted({name.rpartition("_")[0] for name in names})
    assert names == [f"{each}_{number}" for each in classes for number in (1, 2, 3, 4)] and len(classes) == 10
    for name in names:
        with Image.open(MODELS / "pictures" / f"{name}.png") as picture:
            assert (picture.size, picture.mode) == ((32, 32), "RGB")
