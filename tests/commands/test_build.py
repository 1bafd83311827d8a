"""Refusals before a network is compiled, and by the framework when it is."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.commands.build import build_network, check_batch, trained_network
from src.common.errors import InputError
from src.learn.compiled import Compiled
from src.learn.step import Predict
from src.model import binary_layers, create_model, smallest_image
from src.settings.command_line import run
from src.settings.config import load_config, with_values


@pytest.mark.parametrize("name", ["bimlp_t", "wave_mlp_nano"])
def test_images_too_small_for_the_stem_are_refused(name):
    """A kernel of 7 with a padding of 2 has a place in 3 pixels; smaller ones leave no position."""
    message = f"^data.image_size: {name} expects at least 3 pixels, got 2$"
    with pytest.raises(InputError, match=message):
        build_network(load_config(overrides=["data.image_size=2"]), name, 10, "fp32")
    network = create_model(name, 10, "fp32", widths=(8, 8, 8, 8), depths=(1, 1, 1, 1))
    assert smallest_image(network) == 3
    predict = Compiled(Predict(network.set_train(False)), "the evaluation", lambda text: None)
    assert predict(Tensor(np.zeros((1, 3, 3, 3), np.float32))).shape == (1, 10)
    again = Compiled(Predict(network), "the evaluation", lambda text: None)
    with pytest.raises(
        InputError, match=r"^the evaluation: MindSpore cannot compute it for images \(1, 3, 2, 2\): ."
    ):
        again(Tensor(np.zeros((1, 3, 2, 2), np.float32)))


def test_a_stem_with_padding_same_takes_any_image():
    assert smallest_image(create_model("real_to_binary20", 10)) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("\n---\n- out of memory\nmore"), TypeError("no such type"), ValueError()]
)
def test_what_the_framework_says_at_the_first_call_is_one_line(error, capsys):
    def fail(images, nothing):
        raise error

    predict = Compiled(fail, "the training step", lambda text: None)
    assert run(lambda argv: predict(np.zeros((4, 3, 8, 8)), None), []) == 2
    words = {RuntimeError: "out of memory", TypeError: "no such type", ValueError: "ValueError"}[type(error)]
    (line,) = capsys.readouterr().err.splitlines()
    start = f"error: the training step: MindSpore cannot compute it for images (4, 3, 8, 8): {words} (data.image_size"
    assert line.startswith(start)
    with pytest.raises(InputError) as caught:
        predict(np.zeros((4, 3, 8, 8)), None)
    assert caught.value.__cause__ is error


def test_own_words_of_a_first_call_stay_as_they_are():
    def fail():
        raise InputError("mine")

    with pytest.raises(InputError, match="^mine$"):
        Compiled(fail, "the training step", lambda text: None)()


def test_the_second_call_keeps_its_exception():
    answers = iter([1])

    def once():
        return next(answers, None) or 1 / 0

    function = Compiled(once, "the training step", lambda text: None)
    assert function() == 1
    with pytest.raises(ZeroDivisionError):
        function()


def test_images_beyond_the_memory_are_refused():
    config = load_config(overrides=["data.image_size=65535"])  # 51.5 GB each
    check_batch(load_config(), 64)
    with pytest.raises(
        InputError, match="^data.image_size: expected images that fit the memory of .*4800 GiB$"
    ):
        check_batch(config, 100)
    with pytest.raises(InputError, match="data.image_size: expected from 1 to 65535, "):
        load_config(overrides=["data.image_size=65536"])


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_a_cpu_refuses_half_types(kind):
    values = [f"model.compute_type={kind}", "stage=step2", "model.num_classes=10", "model.name=bimlp_t"]
    config = load_config(overrides=values)
    with pytest.raises(InputError, match=f"^model.compute_type: expected float32 on a CPU, .* got {kind}$"):
        trained_network(config)
    network = trained_network(config, backend="plain", computes=False)  # its numbers can be packed
    assert binary_layers(network)[0][1].compute_type == getattr(ms, kind)


def test_a_file_for_another_device_is_checked_in_float16_on_a_cpu():
    config = load_config(overrides=["model.compute_type=float16", "data.image_size=8"])
    network = build_network(config, "wave_mlp_nano", 10, "fp32", backend="plain").set_train(False)
    predict = Compiled(Predict(network), "the evaluation", lambda text: None)
    assert np.isfinite(predict(Tensor(np.zeros((1, 3, 8, 8), np.float32))).asnumpy()).all()
    config = with_values(config, {"model.compute_type": "bfloat16"})
    with pytest.raises(InputError, match="expected float32 or float16 on a CPU"):
        build_network(config, "wave_mlp_nano", 10, "fp32", backend="plain")


def test_further_options_reach_the_network_and_others_are_refused():
    settings = ("model.name=bimlp_t", "model.options={widths: [8, 16], depths: [1, 1]}")
    network = build_network(load_config(overrides=settings), "bimlp_t", 10, "binary", backend="plain")
    assert [len(stage) for stage in network.stages] == [1, 1]
    for name, options, message in (
        ("bimlp_t", "{branches: [2, 1, 2, 1]}", "expected options without a key of their own, got branches"),
        (
            "bimlp_t",
            "{growth: 4}",
            "bimlp_t expects widths, depths, stem, groups, activation_threshold, got growth",
        ),
        ("resnet18", "{growth: 4}", "resnet18 expects none, got growth"),
        ("bimlp_t", "{stem: 4}", "stem: expected tuple, got 4"),
    ):
        config = load_config(overrides=[f"model.name={name}", f"model.options={options}"])
        with pytest.raises(InputError, match=message):
            build_network(config, name, 10, "fp32", backend="plain")
