"""Checkpoints whose classes are in another order than the data's, or have other names."""

import mindspore as ms
import numpy as np
import pytest

from src.checkpoint.file import parameters_of, save_checkpoint
from src.checkpoint.loading import QUANTIZER_PARAMETERS
from src.commands.build import head_rows, load_checkpoint
from src.commands.stage_inputs import check_labels
from src.common.errors import InputError
from src.settings.config import load_config, save_config, with_values
from tests.checkpoint.small import Net, numbers

CLASSES = ("ant", "bee", "cat", "dog")


@pytest.fixture
def run(tmp_path):
    """(network of four classes, its checkpoint with the settings of a run beside it)."""
    network = Net(4)
    network.head.bias.set_data(ms.Tensor(np.arange(4, dtype=np.float32)))
    save_checkpoint(tmp_path / "best.ckpt", network)
    names = {"data.classes": CLASSES, "data.class_names": ["a", "a", "c", "d"]}
    save_config(with_values(load_config(), names), tmp_path / "config.yaml")
    return network, tmp_path / "best.ckpt"


def test_the_order_is_found_by_the_names_beside_the_checkpoint(run):
    assert head_rows(run[1], CLASSES, "name") == ()
    assert head_rows(run[1], ("dog", "ant", "cat", "bee"), "name").tolist() == [3, 0, 2, 1]
    assert head_rows(run[1], ("dog", "ant", "cat", "bee"), "position") == ()
    assert head_rows(run[1], ("x", "y"), "name") == ()  # the head does not fit, and says so
    with pytest.raises(InputError, match=r"best\.ckpt \(ant, bee, cat, dog\), got 'eel'"):
        head_rows(run[1], ("ant", "bee", "cat", "eel"), "name")


def test_settings_of_an_older_run_or_of_another_program(run):
    settings = run[1].parent / "config.yaml"
    settings.write_text("data:\n  class_names: [ant, bee, cat, dog]\n")
    assert head_rows(run[1], CLASSES[::-1], "name").tolist() == [3, 2, 1, 0]
    for text in ("data: 3\n", "- a\n", "model: resnet\n", "{", ""):
        settings.write_text(text)
        assert head_rows(run[1], CLASSES[::-1], "name") == ()


@pytest.mark.parametrize("optional", [(), QUANTIZER_PARAMETERS])
def test_the_head_and_it_alone_is_put_into_the_order_of_the_data(run, optional, capsys):
    network, path = run
    other = Net(4)  # whose hidden layer has four outputs as well
    load_checkpoint(other, path, optional, rows=np.array([3, 0, 2, 1]))
    before, after = numbers(parameters_of(network)), numbers(parameters_of(other))
    for name in before:
        expected = before[name][[3, 0, 2, 1]] if name.startswith("head.") else before[name]
        np.testing.assert_array_equal(after[name], expected, err_msg=name)
    assert after["head.bias"].tolist() == [3, 0, 2, 1]
    assert "4 classes are put into the order of the data" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["checkpoint.path", "stages.step1.init", "stages.step2.teacher_checkpoint"])
def test_all_stages_are_looked_at_before_the_first_one_trains(run, tmp_path, key):
    config = with_values(load_config(), {key: str(run[1]), "output_dir": str(tmp_path / "out")})
    names = ["step1", "step2"]
    check_labels(config, names, CLASSES[::-1])
    with pytest.raises(InputError, match="got 'eel'"):
        check_labels(config, names, ("ant", "bee", "cat", "eel"))
    by_position = with_values(config, {"data.labels": "position"})
    check_labels(by_position, names, ("ant", "bee", "cat", "eel"))
    if "init" in key or "path" in key:
        new = with_values(config, {"stages.step1.init_head": "new"})
        check_labels(new, names, ("ant", "bee", "cat", "eel"))
