"""Networks of larq-zoo against larq-zoo: values of reduced networks, and the layers, parameters and costs of whole ones."""

import numpy as np
import pytest

from src.cost.count import cost_of
from src.deploy.packed_file import Description, encode
from src.engine import Engine
from src.graph import run_reference, trace
from src.graph.simplify import simplify
from src.model import create_model
from tests.model.larq import arrays_of, layers_of_larq, layers_of_ours, load_in_order, maps_of

pytestmark = pytest.mark.usefixtures("pynative")

KERAS = {"same_padding": True, "norm_eps": 1e-3}
ALEXNET = {"same_padding": True, "norm_scale": False, "head_bias": False}
# file of golden/cnn -> network, its options, map -> Cell that makes it
REDUCED = {
    "quicknet_small_reduced": (
        "quicknet_small",
        {"widths": (8, 16, 64, 128), "depths": (2, 3, 2, 2)},
        {
            "stem": "stem",
            "block_first": "stages.0.0",
            **{f"transition{i}": f"stages.{i}.0" for i in (1, 2, 3)},
            **{f"stage{i + 1}": f"stages.{i}" for i in range(4)},
        },
    ),
    "meliusnet_reduced": (
        "meliusnet22",
        {"depths": (2, 1, 1, 1), "widths": (40, 48, 56)},
        {
            "stem": "stem",
            "improve_0_0": "sections.0.0",
            **{f"trans_{i}": f"sections.{i + 1}.0" for i in range(3)},
            "last": "sections.3",
            "head": "act",
        },
    ),
    "real2bin": (
        "real_to_binary18",
        {"widths": (16, 32, 64, 128)},
        {
            "stem": "stem",
            **{f"block{i + 2}": f"stages.{i // 2}.{2 * (i % 2) + 1}" for i in range(8)},
            "half_2a": "stages.0.0",
            "half_4a": "stages.1.0",
            "se_scale_2a": "stages.0.0.gate",
            "binconv_2a": "stages.0.0.conv",
            "binconv_4a": "stages.1.0.conv",
        },
    ),
    "birealnet_larq": (
        "birealnet18",
        {"widths": (8, 16, 32, 64), **KERAS},
        {
            "stem": "stem",
            "block_first": "stages.0.0",
            "block_down": "stages.1.0",
            **{f"stage{i + 1}": f"stages.{i}.3" for i in range(4)},
        },
    ),
    "xnornet_larq": (  # whose weights are not centred: the values of Bi-Real Net's
        "xnornet_alexnet",
        {"widths": (12, 32, 48, 48, 40, 64, 72), "side": 2, "quantizer": "bireal", **ALEXNET},
        {
            "conv2d": "stem.0",
            "max_pooling2d": "stem",
            "quant_conv2d": "features.0",
            "max_pooling2d_1": "features.1",
            **{f"quant_conv2d_{i}": f"features.{i + 1}" for i in (1, 2, 3)},
            "max_pooling2d_2": "features.5",
            **{f"quant_conv2d_{i}": f"features.{i + 2}" for i in (4, 5)},
            "last_relu": "act",
        },
    ),
}
# file of golden/larq_layers -> network, its options
WHOLE = {
    **{name: (name, {}) for name in ("quicknet", "quicknet_small", "meliusnet22", "real_to_binary18")},
    "birealnet18_larq": ("birealnet18", KERAS),
}
# network -> FLOPs in 1e8, BOPs in 1e9
COSTS = {
    "quicknet": (0.2965, 1.8497),
    "quicknet_small": (0.1594, 1.1561),
    "quicknet_large": (0.2965, 3.6994),
    "meliusnet22": (1.3639, 4.6242),
    "meliusnet29": (1.2949, 5.4696),
    "meliusnet42": (1.7507, 9.6928),
    "meliusnet59": (2.4707, 18.3162),
    "real_to_binary18": (1.3809, 1.6763),
}
# network -> published number of parameters, whether BatchNorm's running statistics are among them
PARAMETERS = {
    "quicknet": (13_234_088, False),
    "quicknet_small": (12_655_688, False),
    "quicknet_large": (23_342_248, False),
    "meliusnet22": (6_944_584, False),
    "real_to_binary18": (11_995_624, True),
    "binary_densenet28": (5_150_504, True),
    "binary_densenet37": (8_734_120, True),
    "binary_densenet45": (13_939_240, True),
}


def reduced(name, backend="plain", precision="binary"):
    """(network with larq's weights, arrays of the file)."""
    network, options, _ = REDUCED[name]
    arrays = arrays_of(name)
    network = create_model(network, 10, precision, backend=backend, **options).set_train(False)
    load_in_order(network, arrays)
    return network, arrays


def check(found, expected):
    """Equal to 1e-5 of the largest number."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", REDUCED)
def test_maps_and_logits_are_larqs(name):
    network, arrays = reduced(name)
    logits, maps = maps_of(network, arrays["x"], REDUCED[name][2])
    for key, found in maps.items():
        check(found.reshape(arrays[f"out/{key}"].shape), arrays[f"out/{key}"])
    check(logits, arrays["logits"])
    check(maps_of(reduced(name, "fast")[0], arrays["x"], {})[0], arrays["logits"])


@pytest.mark.parametrize("name", REDUCED)
def test_the_engine_has_larqs_logits(name, tmp_path):
    network, arrays = reduced(name)
    size = arrays["x"].shape[2]
    graph = trace(network, size)
    check(run_reference(graph, arrays["x"]), arrays["logits"])
    description = Description("n", size, size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    (tmp_path / "n.packed").write_bytes(encode(description, simplify(graph)))
    with Engine.load(tmp_path / "n.packed") as engine:
        check(engine.logits(arrays["x"]), arrays["logits"])


@pytest.mark.parametrize("name", REDUCED)
@pytest.mark.parametrize("precision", ["fp32", "binary_act"])
def test_graphs_with_real_weights_equal_the_network(name, precision):
    network, arrays = reduced(name, "fast", precision)
    expected = maps_of(network, arrays["x"], {})[0]
    check(run_reference(trace(network, arrays["x"].shape[2]), arrays["x"]), expected)


@pytest.mark.parametrize("name", WHOLE)
def test_windows_and_norms_are_larqs(name):
    network, options = WHOLE[name]
    windows, norms = layers_of_ours(create_model(network, backend="plain", **options), 224)
    assert (windows, norms) == layers_of_larq(name)


@pytest.mark.parametrize("name", COSTS)
def test_parameters_and_costs_are_the_published_ones(name):
    network = create_model(name, backend="plain")
    if name in PARAMETERS:
        expected, with_statistics = PARAMETERS[name]
        kept = [p for p in network.get_parameters() if with_statistics or "moving" not in p.name]
        assert sum(p.size for p in kept) == expected
    totals = cost_of(network, 224).totals()
    assert (round(totals["flops_macs"] / 1e8, 4), round(totals["bops_macs"] / 1e9, 4)) == COSTS[name]


def test_the_parameters_of_alexnet_are_the_published_ones():
    """62,396,768 of larq-zoo, whose gammas are constants; the authors have gammas and a bias of the head besides."""
    larq = create_model("xnornet_alexnet", backend="plain", **ALEXNET)
    authors = create_model("xnornet_alexnet", backend="plain")
    constants = sum(p.size for p in larq.get_parameters() if not p.requires_grad and "gamma" in p.name)
    assert sum(p.size for p in larq.get_parameters()) - constants == 62_396_768
    trained = [sum(p.size for p in each.trainable_params()) for each in (larq, authors)]
    assert trained[1] - trained[0] == constants + 1000
    assert trace(authors, 224).shape == (3, 224, 224)


@pytest.mark.parametrize("name,options,message", [
    ("quicknet", {"widths": (6, 8), "depths": (1, 1)}, "widths: expected a multiple of 4 as the first, got 6"),
    ("meliusnet22", {"depths": (1, 1)}, "depths: expected positive numbers, one more than widths, got"),
    ("meliusnet22", {"growth": 24}, "growth: expected a multiple of 16, got 24"),
    ("real_to_binary18", {"reduction": 0}, "reduction: expected 1 to 64, got 0"),
    ("xnornet_alexnet", {"widths": (8, 8)}, "widths and side: expected seven widths of at least 1"),
])  # fmt: skip
def test_options_that_no_network_has_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **options)
