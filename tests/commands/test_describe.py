"""python -m src.commands.describe: the table, the picture, and refusals in one line."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from src.commands import describe
from tests.calls import call
from tests.commands.conftest import ROOT, process

SMALL = (
    "--model",
    "bimlp_t",
    "--image_size",
    "16",
    "model.num_classes=10",
    "model.options={widths: [8], depths: [2]}",
)


def test_the_table_has_the_operations_of_every_layer():
    done = call(describe.main, *SMALL, "model.branches=[0,1,0,1]")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert lines[0] == ["layer", "operations", "output", "weights"]
    assert lines[2] == ["stem.conv", "conv2d affine", "8x4x4", "1,176"]
    assert ["stages.0.0.norm1 (x 2, to stages.0.1)", "affine", "8x4x4", "0"] in lines
    assert ["stages.0.0.block1.channel.0.fc", "binary_conv2d affine", "8x4x4", "64"] in lines
    assert lines[-1] == ["head", "conv2d affine", "10x1x1", "80"]


def test_the_lines_of_the_page_are_printed():
    def rows(text):
        return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.splitlines()]

    page = (
        (ROOT / "docs" / "networks.md")
        .read_text()
        .partition("| layer | operations | output | weights |\n")[2]
    )
    shown = rows(page.partition("\n\n")[0])[1:]
    assert len(shown) == 5 and set(shown) <= set(rows(call(describe.main, "--model", "bimlp_t").stdout))


def test_precision_and_settings_reach_the_network():
    done = call(describe.main, *SMALL, "--precision", "fp32", "model.norm=layer")
    assert "layer_norm" in done.stdout and "binary_conv2d" not in done.stdout


def test_the_picture_is_a_png_with_something_on_it(tmp_path):
    done = call(describe.main, *SMALL, "--plot", tmp_path / "net.png")
    assert done.returncode == 0 and done.stderr == f"plot: {tmp_path / 'net.png'}\n" and done.stdout
    with Image.open(tmp_path / "net.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 500
        assert len(np.unique(np.asarray(picture.convert("L")))) > 5


@pytest.mark.parametrize("arguments,message", [
    (("--model", "bimlp_x"), "unknown model: 'bimlp_x'; did you mean"),
    (("--model", "bimlp_t", "--image_size", "0"), "--image_size: expected 1 pixel or more, got 0"),
    (("--model", "bimlp_t", "--image_size", "1"), "bimlp_t: stem.conv: conv2d: expected a map that holds the kernel"),
    (("--model", "bimlp_t", "--precision", "int8"), "precision: expected one of fp32"),
    (("--model", "bimlp_t", "--plot", "net.jpg"), "--plot: expected a name that ends in .png, got net.jpg"),
    (("--model", "bimlp_t", "--plot", "no/net.png"), "--plot: expected the name of a file in a folder that is there"),
    (("--model", "swin_tiny"), "swin_tiny: patch_embed: "),
    ((), "the following arguments are required: --model"),
])  # fmt: skip
def test_refusals_are_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(describe.main, *arguments)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout and not list(tmp_path.iterdir())


def test_help_does_not_load_the_framework():
    code = "import sys; sys.modules['mindspore'] = None; from src.commands.describe import main; main(['--help'])"
    done = process("-c", code)
    assert done.returncode == 0 and "--plot FILE.png" in done.stdout, done.stderr


def test_a_script_draws_whole_networks(tmp_path):
    command = ["bash", ROOT / "scripts" / "draw_graphs.sh", tmp_path, "bimlp_t"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == f"plot: {tmp_path / 'graph-bimlp_t.png'}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["graph-bimlp_t.png"]
