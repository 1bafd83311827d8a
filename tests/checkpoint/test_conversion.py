"""Other programs' weights in this project's networks: the reference's values come out, and nothing is left out unsaid."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor

from src.checkpoint.foreign.conversion import convert
from src.checkpoint.foreign.reading import Foreign, read_foreign
from src.checkpoint.foreign.sources import SOURCES, class_count
from src.common.errors import InputError
from src.model import create_model

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cnn"
PUBLISHED = GOLDEN / "adabin_resnet20_cifar10"
WIDTHS = {"widths": (8, 16, 32, 64)}
# golden file -> (source, our network, its options)
REFERENCES = {
    "bireal18": ("birealnet", "birealnet18", WIDTHS),
    "react_resnet18": ("reactnet", "react_resnet18", WIDTHS),
    "reactnet_a": (
        "reactnet",
        "reactnet_a",
        {"widths": (4, 8, 16, 16, 32, 32, 64, 64, 64, 64, 64, 64, 128, 128)},
    ),
    "adabin_resnet18": ("adabin", "adabin18", WIDTHS),
    "quicknet_small_reduced": (
        "larq",
        "quicknet_small",
        {"widths": (8, 16, 64, 128), "depths": (2, 3, 2, 2)},
    ),
    "meliusnet_reduced": ("larq", "meliusnet22", {"depths": (2, 1, 1, 1), "widths": (40, 48, 56)}),
    "real2bin": ("larq", "real_to_binary18", {"widths": (16, 32, 64, 128)}),
    "birealnet_larq": ("larq", "birealnet18", WIDTHS),
}
pytestmark = pytest.mark.usefixtures("pynative")


@cache
def reference(name):
    """(Foreign, input, logits) of a golden file."""
    data = np.load(GOLDEN / f"{name}.npz")
    arrays = {key.removeprefix("param/"): data[key] for key in data.files if key.startswith("param/")}
    return Foreign(arrays, [], False), data["x"], data["logits"]


@cache
def network_of(name):
    source, model, options = REFERENCES[name]
    more = SOURCES[source].options_of(model)
    return create_model(model, 10, backend="plain", **options, **more).set_train(False)


def converted(name, foreign):
    source, model, _ = REFERENCES[name]
    target = {p.name: (p.shape, p.requires_grad) for p in network_of(name).get_parameters()}
    return convert(foreign, SOURCES[source].rules(model), target, "weights.pth")


def logits_of(network, conversion, x):
    for parameter in network.get_parameters():
        if parameter.name in conversion.arrays:
            parameter.set_data(Tensor(conversion.arrays[parameter.name]))
    return network(Tensor(x)).asnumpy()


def check(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", REFERENCES)
def test_converted_weights_give_the_reference_s_logits(name):
    foreign, x, logits = reference(name)
    conversion = converted(name, foreign)
    check(logits_of(network_of(name), conversion, x), logits)
    told = [each for theirs in conversion.matched.values() for each in theirs] + list(conversion.aside)
    assert sorted(told) == sorted(foreign.arrays)
    assert {*conversion.matched, *conversion.kept} == {p.name for p in network_of(name).get_parameters()}
    assert class_count(foreign.arrays) == 10


def test_the_published_network_of_adabin_gives_its_authors_logits():
    foreign, data = read_foreign(PUBLISHED / "model.th"), np.load(PUBLISHED / "outputs.npz")
    network = create_model("adabin20", 10, backend="plain").set_train(False)
    target = {p.name: (p.shape, p.requires_grad) for p in network.get_parameters()}
    conversion = convert(foreign, SOURCES["adabin"].rules("adabin20"), target, "model.th")
    assert foreign.rest == ["best_prec1"]
    assert {name.rpartition(".")[2] for name in conversion.aside} == {"num_batches_tracked"}
    check(logits_of(network, conversion, data["x_val"]), data["logits_val"])


def same(left, right):
    return left.keys() == right.keys() and all((left[name] == right[name]).all() for name in left)


def with_arrays(name, change):
    """Foreign of a golden file with its arrays changed, {name: array} -> {name: array}."""
    return reference(name)[0]._replace(arrays=change(dict(reference(name)[0].arrays)))


@pytest.mark.parametrize("name", ["bireal18", "reactnet_a"])
def test_published_forms_are_the_same_network(name):
    """Flat binary weights, a prefix of all names, and counts of batches beside."""

    def published(arrays):
        flat = {
            name: array.reshape(-1, 1) if name.endswith(".weights") else array
            for name, array in arrays.items()
        }
        flat["bn1.num_batches_tracked"] = np.array(3)
        return {f"module.{name}": array for name, array in flat.items()}

    conversion = converted(name, with_arrays(name, published))
    assert same(conversion.arrays, converted(name, reference(name)[0]).arrays)
    assert [*conversion.aside] == ["module.bn1.num_batches_tracked"]


def keras(arrays):
    """The arrays in Keras' layout, numbered as the second network of a process."""
    found = {}
    for name, array in arrays.items():
        layer, _, word = name.partition("/")
        base, number = re.fullmatch(r"(.*?)(?:_(\d+))?", layer).groups(default="0")
        layer = f"{base}_{int(number) + 40}"
        if array.ndim == 4:
            array = array.transpose((2, 3, 0, 1) if word == "depthwise_kernel" else (2, 3, 1, 0))
        found[f"model_weights/{layer}/{word}"] = array.T if array.ndim == 2 else array
    return found


@pytest.mark.parametrize("known", [True, False])
def test_keras_layout_and_numbering_are_the_same_network(known):
    name = "quicknet_small_reduced"
    foreign = with_arrays(name, keras)._replace(keras=known)
    assert same(converted(name, foreign).arrays, converted(name, reference(name)[0]).arrays)


def without(*names):
    return lambda arrays: {name: array for name, array in arrays.items() if name not in names}


def changed(name, change):
    return lambda arrays: {**arrays, name: change(arrays.get(name))}


FAULTS = {
    "missing": (
        "bireal18",
        without("layer2.0.downsample.1.weight", "fc.bias"),
        "2 of the network's missing in the file: stages.1.0.shortcut.conv.weight, head.bias",
    ),
    "unknown": (
        "bireal18",
        changed("extra.weight", lambda _: np.zeros(1)),
        "1 without a place in the network: extra.weight",
    ),
    "another stage": (
        "bireal18",
        changed("layer5.0.bn1.weight", lambda _: np.zeros(1)),
        "1 without a place in the network: layer5.0.bn1.weight",
    ),
    "another word": (
        "bireal18",
        changed("bn1.momentum", lambda _: np.zeros(1)),
        "1 without a place in the network: bn1.momentum",
    ),
    "many": (
        "bireal18",
        lambda arrays: {**arrays, **{f"x{i}": np.zeros(1) for i in range(9)}},
        "9 without a place in the network: x0, x1, x2, x3, x4, x5 and 3 more",
    ),
    "two names": (
        "bireal18",
        lambda arrays: {**arrays, "linear.bias": arrays["fc.bias"]},
        "1 of another shape: head.bias: expected (10,), got (10,) + (10,) in fc.bias + linear.bias",
    ),
    "shape": (
        "bireal18",
        changed("layer1.0.binary_conv.weights", lambda array: array[:, :4]),
        "stages.0.0.fc.weight: expected (8, 8, 3, 3), got (8, 4, 3, 3) in layer1.0.binary_conv.weights",
    ),
    "turned": (
        "bireal18",
        changed("layer2.0.binary_conv.weights", lambda array: array.transpose(1, 0, 2, 3)),
        "1 of another shape: stages.1.0.fc.weight",
    ),
    "half": (
        "reactnet_a",
        without("feature.1.binary_pw_down2.weights"),
        "1 of another shape: blocks.0.pointwise.fc.weight",
    ),
    "second half": (
        "reactnet_a",
        without("feature.1.binary_pw_down1.weights"),
        "1 of another shape: blocks.0.pointwise.fc.weight",
    ),
    "one half twice": (
        "reactnet_a",
        lambda arrays: {
            name.replace("1.binary_pw_down2.weights", "1.binary_pw_down1.weight"): array
            for name, array in arrays.items()
        },
        "1 of another shape: blocks.0.pointwise.fc.weight",
    ),
    "nan": (
        "bireal18",
        changed("layer1.0.bn1.weight", lambda array: array * np.nan),
        "expected finite numbers, got others in layer1.0.bn1.weight",
    ),
    "one layer more": (
        "quicknet_small_reduced",
        changed("quant_conv2d_90/kernel", lambda _: np.zeros((1, 1, 1, 1))),
        "1 without a place in the network: quant_conv2d_90/kernel",
    ),
    "one layer less": (
        "quicknet_small_reduced",
        without("quant_conv2d_3/kernel"),
        "3.2.conv.weight; 6 of another shape",
    ),
    "statistics": (
        "quicknet_small_reduced",
        without("batch_normalization_1/moving_mean"),
        "1 of the network's missing in the file: stem.norm2.moving_mean",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused_with_its_names(fault):
    name, change, words = FAULTS[fault]
    with pytest.raises(InputError) as error:
        converted(name, with_arrays(name, change))
    assert str(error.value).startswith("weights weights.pth")
    assert words in str(error.value)
