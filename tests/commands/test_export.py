"""export.py: a run's checkpoint to a file, and refusals that write nothing."""

import dataclasses
import importlib.util
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.checkpoint.file import save_checkpoint
from src.common.errors import InputError
from src.deploy.feeding import read_feeding
from src.deploy.mindir_file import load_mindir
from src.deploy.onnx_network import load_onnx_network
from src.deploy.packed_file import decode
from src.model import registry
from src.model.networks.bimlp import BiMLPOptions
from src.settings.command_line import add_model_flag, config_of_checkpoint, create_parser, parse, run
from src.settings.config import load_config, save_config, with_values
from tests.deploy.conftest import graph_mode  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("export_script", ROOT / "export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


NAMES = ("größte", *"123456789")


def assert_tells_how_to_feed_it(table):
    assert table["images"] == "16 x 16, the middle of a picture whose shorter side is resized to 18"
    assert table["pixels"] == "RGB, NCHW, (pixel / 255 - mean) / std"
    assert (table["mean"], table["std"]) == ("0.5, 0.25, 0.5", "0.5, 0.5, 1")
    assert table["classes"] == "10, 10 names"


@pytest.fixture
def trained(tmp_path, tiny, monkeypatch):
    """The folder of a finished step 2, whose bimlp_t is one narrow block; with the network."""
    options = BiMLPOptions((8,), (1,))
    small = dataclasses.replace(registry.variants()["bimlp_t"], options=options)
    monkeypatch.setitem(registry.variants(), "bimlp_t", small)
    # the device can be chosen once per process
    monkeypatch.setattr("src.commands.export.start_device", lambda config: None)
    folder = tmp_path / "step2"
    folder.mkdir()
    network = tiny()
    save_checkpoint(folder / "best.ckpt", network)
    config = load_config(overrides=["stage=step2", "model.num_classes=10", "data.source=imagenet"])
    pixels = {"data.mean": [0.5, 0.25, 0.5], "data.std": [0.5, 0.5, 1], "data.class_names": list(NAMES)}
    save_config(with_values(config, pixels), folder / "config.yaml")
    return folder, network


def test_a_checkpoint_becomes_a_checked_file_beside_it(main, trained, images, logits, capsys):
    folder, network = trained
    argv = ["--checkpoint", str(folder / "best.ckpt"), "--file_format", "mindir", "--batch_size", "2"]
    assert run(main, argv) == 0
    path = folder / "best.mindir"
    lines = capsys.readouterr().out.splitlines()
    table = {line[:20].strip(): line[20:] for line in lines}
    assert table["model"] == "bimlp_t in binary, 14 binary layers frozen"
    assert table["file"] == str(path)
    assert table["bytes"] == str(path.stat().st_size)
    assert float(table["largest difference"]) <= 1e-4
    assert "16 x 16" in table["compared on"]
    assert_tells_how_to_feed_it(table)
    found = read_feeding(path)
    assert (found["model"], found["precision"], found["image_size"], found["resize"]) == (
        "bimlp_t",
        "binary",
        16,
        18,
    )
    assert (found["mean"], found["std"], found["class_names"]) == (
        [0.5, 0.25, 0.5],
        [0.5, 0.5, 1],
        list(NAMES),
    )
    assert sorted(file.name for file in folder.iterdir()) == ["best.ckpt", "best.mindir", "config.yaml"]
    x = images(2, 16)
    np.testing.assert_allclose(load_mindir(path)(x), logits(network, x), rtol=0, atol=1e-4)


def test_an_onnx_file_has_32_bits_whatever_the_network_computes_in(main, trained, images, logits, capsys):
    folder, network = trained
    argv = ["--checkpoint", str(folder / "best.ckpt"), "--file_format", "onnx", "--batch_size", "dynamic"]
    assert run(main, [*argv, "model.compute_type=bfloat16"]) == 0
    table = {line[:20].strip(): line[20:] for line in capsys.readouterr().out.splitlines()}
    assert table["model"] == "bimlp_t in binary, 14 binary layers frozen"
    assert table["compared on"] == "random images of 16 x 16, batches of 1 and 3"
    assert_tells_how_to_feed_it(table)
    found = load_onnx_network(folder / "best.onnx")
    assert found.description["class_names"] == list(NAMES)
    x = images(2, 16)
    np.testing.assert_allclose(found.logits(x), logits(network, x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file_format", "AIR"], "file_format AIR: needs an Ascend backend"),
        (["--file_format", "PB"], "file_format: expected one of MINDIR, ONNX, PACKED, got 'PB'"),
        (
            ["--file_format", "PACKED", "--batch_size", "2"],
            "batch_size: a packed file takes any number of images",
        ),
        (["--batch_size", "0"], "batch_size: expected a whole number from 1 on, or dynamic, got '0'"),
        (["--batch_size", "-1"], "batch_size"),
        (
            ["--batch_size", "9" * 5000],
            "batch_size: expected a whole number from 1 on, or dynamic, got '999",
        ),
        (["--batch_size", "two"], "got 'two'"),
        (["--output", "best.onnx"], "best.onnx: expected the name of a MINDIR file, ending in .mindir"),
        (["--output", "no/such/folder/best.mindir"], "cannot be written: No such file or directory"),
        (["--file_fromat", "ONNX"], "unknown flag --file_fromat; did you mean --file_format?"),
        (["model.num_classes=11"], "expected 11 classes, got 10"),
        (["model.name=bimlp_x"], "unknown model: 'bimlp_x'"),
        (["data.image_size=2"], "image"),
        (["data.class_names=[a]"], "data.class_names: expected 10 names, one for each class, or none, got 1"),
        (
            ["--file_format", "PACKED", 'data.class_names=[a, b, c, "d\\ne", f, g, h, i, j, k]'],
            r"names that are UTF-8 without control characters (class 3 is 'd\ne')",
        ),
    ],
)
def test_bad_requests_end_with_one_line_and_write_nothing(
    arguments, message, main, trained, capsys, monkeypatch
):
    folder, _ = trained
    monkeypatch.chdir(folder)
    assert run(main, ["--checkpoint", str(folder / "best.ckpt"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert message in err
    assert sorted(file.name for file in folder.iterdir()) == ["best.ckpt", "config.yaml"]


def test_a_checkpoint_becomes_a_packed_file(main, trained, capsys):
    folder, _ = trained
    assert run(main, ["--checkpoint", str(folder / "best.ckpt"), "--file_format", "packed"]) == 0
    table = {line[:20].strip(): line[20:] for line in capsys.readouterr().out.splitlines()}
    size, checkpoint_size = ((folder / f"best.{end}").stat().st_size for end in ("packed", "ckpt"))
    assert table["file"] == str(folder / "best.packed")
    assert table["bytes"] == f"{size} ({checkpoint_size / size:.1f} times smaller than the checkpoint)"
    description, graph = decode((folder / "best.packed").read_bytes())
    assert (description.variant, description.image_size) == ("bimlp_t", 16)
    assert (graph.shape, graph.nodes[-1].shape) == ((3, 16, 16), (10, 1, 1))
    assert (description.resize, description.mean, description.std) == (18, (0.5, 0.25, 0.5), (0.5, 0.5, 1))
    assert description.class_names == NAMES
    assert_tells_how_to_feed_it(table)


def test_a_truncated_checkpoint_is_refused(main, trained, capsys):
    folder, _ = trained
    path = folder / "best.ckpt"
    path.write_bytes(path.read_bytes()[:-100])
    assert run(main, ["--checkpoint", str(path)]) == 2
    assert "truncated" in capsys.readouterr().err
    assert not (folder / "best.mindir").exists()


@pytest.mark.parametrize("file_format", ["MINDIR", "ONNX", "PACKED"])
def test_a_network_whose_numbers_are_not_finite_is_not_exported(main, trained, capsys, file_format):
    folder, network = trained
    network.norm.gamma.set_data(ms.Tensor(np.full(8, np.nan, np.float32)))
    save_checkpoint(folder / "best.ckpt", network)
    assert run(main, ["--checkpoint", str(folder / "best.ckpt"), "--file_format", file_format]) == 2
    assert capsys.readouterr() == (
        "", f"error: checkpoint {folder / 'best.ckpt'}: expected finite numbers, got nan in norm.gamma\n"
    )  # fmt: skip
    assert sorted(file.name for file in folder.iterdir()) == ["best.ckpt", "config.yaml"]


# --- the settings of a checkpoint, shared with eval.py ---


def settings(*argv):
    parser = create_parser("export.py", "")
    add_model_flag(parser)
    return config_of_checkpoint(parse(parser, list(argv)))


def test_settings_come_from_the_run_and_the_command_line(trained):
    folder, _ = trained
    config = settings("--checkpoint", str(folder / "best.ckpt"), "data.image_size=24")
    assert (config.stage, config.model.num_classes, config.data.image_size) == ("step2", 10, 24)
    assert config.checkpoint.path == str(folder / "best.ckpt")


def test_released_models_have_their_settings_from_wherever_the_script_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = settings("--checkpoint", "BiMLP_S.ckpt", "--model", "released_bimlp_s")
    assert (config.model.name, config.model.num_classes, config.data.image_size) == (
        "released_bimlp_s",
        1000,
        224,
    )


@pytest.mark.parametrize("argv", [(), ("--model", "bimlp_s"), ("--model", "released_bimlp_s")])
def test_a_checkpoint_must_be_named(argv):
    with pytest.raises(InputError, match="expected --checkpoint FILE, got none"):
        settings(*argv)


def test_graph_mode_is_left_as_it_was():
    assert ms.get_context("mode") == ms.GRAPH_MODE
