"""AdaBin: its quantizers and networks against the values of the authors' code (tests/golden), its graph, its costs.

There sign(0) is 0, here -1: numbers whose sign is 0 there are left out.
"""

import re
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from scripts.fuzz_graphs import PLANS, environment, open_bytes
from src.cost.count import cost_of
from src.graph import run_reference, trace
from src.graph.simplify import simplify
from src.model import create_model
from src.model.config import layer_config
from src.model.layers.activations import TwoSlope
from src.model.layers.conv import BinaryConv2d
from src.model.layers.layout import to_layout
from src.model.layers.quantizers import QUANTIZERS
from src.model.networks.adabin import SubsampledShortcut
from tests.graph.packed_files import packed
from tests.model.conftest import images

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
QUANTIZED = dict(np.load(GOLDEN / "quantizers.npz"))
BACKENDS = pytest.mark.parametrize("backend", ["plain", "fast"])


@pytest.fixture(autouse=True)
def eagerly(pynative):
    """Nothing is compiled."""


def derivatives(cell, x, upstream, axis, parameters):
    """Value of a Cell on a map (B, C, H, W), and the gradients of sum(upstream value): of x, and of the parameters."""

    def inner(x):
        y = to_layout(cell(to_layout(x, axis)), axis)
        return (y * Tensor(upstream)).sum(), y

    function = ms.value_and_grad(inner, 0, parameters or None, has_aux=True)
    (_, y), gradients = function(Tensor(x))
    dx, others = gradients if parameters else (gradients, ())
    return y.asnumpy(), dx.asnumpy(), [g.asnumpy() for g in others]


def put(parameter, values):
    """Give a parameter other numbers."""
    parameter.set_data(Tensor(np.asarray(values, np.float32).reshape(parameter.shape)))


def close(found, expected, tolerance=3e-6):
    """Compare arrays; tolerance: relative to the largest number."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


# --- quantizers ---


@pytest.mark.parametrize("t", [0.1, 3.0])
def test_weights_and_their_gradient(t):
    cell = QUANTIZERS["adabin"].weight((4, 6, 3, 3), layer_config(quantizer="adabin", backend="plain"))
    put(cell.t, t)
    found, gradient, _ = derivatives(cell, QUANTIZED["in/w"], QUANTIZED["in/u"], 1, [])
    close(found, QUANTIZED[f"adabin_t{t}/w_b"])
    close(gradient, QUANTIZED[f"adabin_t{t}/dw"])


@BACKENDS
def test_activations_and_their_gradients(backend):
    config = layer_config(quantizer="adabin", backend=backend)
    cell = QUANTIZERS["adabin"].activation(6, config)
    put(cell.alpha, 0.8)
    put(cell.beta, 0.3)
    x, upstream = QUANTIZED["in/x"], QUANTIZED["in/v"]
    found, gradient, (alpha, beta) = derivatives(cell, x, upstream, config.axis, [cell.alpha, cell.beta])
    close(found, QUANTIZED["adabin_t3.0/x_b"])
    close(gradient, QUANTIZED["adabin_t3.0/dx"])
    close(alpha, QUANTIZED["adabin_t3.0/dalpha_a"])
    close(beta, QUANTIZED["adabin_t3.0/dbeta_a"])


@BACKENDS
def test_two_slopes_and_their_gradients(backend):
    config = layer_config(backend=backend)
    cell = TwoSlope(6, config)
    put(cell.positive, QUANTIZED["adabin_maxout/state_pos"])
    put(cell.negative, QUANTIZED["adabin_maxout/state_neg"])
    x, parameters = QUANTIZED["in/x"], [cell.positive, cell.negative]
    found, gradient, others = derivatives(cell, x, QUANTIZED["in/v"], config.axis, parameters)
    close(found, QUANTIZED["adabin_maxout/y"])
    known = x != 0  # where the gradient there is 0
    close(gradient[known], QUANTIZED["adabin_maxout/dx"][known])
    for each, name in zip(others, ("dpos", "dneg")):
        close(each, QUANTIZED[f"adabin_maxout/{name}"])


def test_the_steepness_moves_with_the_epochs():
    layer = BinaryConv2d(4, 4, 3, config=layer_config(quantizer="adabin", backend="plain"))
    expected = QUANTIZED["schedule/irnet_adabin_t_total120"]
    for epoch in (0, 1, 60, 119):
        ((parameter, t),) = layer.state_of_epoch(epoch, 120)
        assert parameter is layer.weight_quantizer.t and not parameter.requires_grad
        np.testing.assert_allclose(t, expected[epoch], rtol=2e-5)
    np.testing.assert_allclose(layer.weight_quantizer.t.asnumpy(), expected[0], rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, -0.5])
def test_signs_of_zeros_are_negative(alpha):
    """z = 0 where x = beta, and so is a weight that is its filter's mean."""
    config = layer_config(quantizer="adabin", backend="plain")
    cell = QUANTIZERS["adabin"].activation(1, config)
    put(cell.alpha, alpha)
    put(cell.beta, 0.25)
    x = np.float32(
        [0.25, np.nextafter(np.float32(0.25), np.float32(1)), np.nextafter(np.float32(0.25), np.float32(0))]
    )
    above = [-1, 1, -1] if alpha > 0 else [-1, -1, 1]
    found = cell(Tensor(x.reshape(1, 1, 1, 3))).asnumpy().ravel()
    np.testing.assert_array_equal(found, alpha * (np.array(above) + 0.25))
    weight = QUANTIZERS["adabin"].weight((1, 3, 1, 1), config)
    w = np.float32([-1, 0, 1]).reshape(1, 3, 1, 1)
    deviation = np.sqrt(2 / 3)
    np.testing.assert_allclose(
        weight(Tensor(w)).asnumpy().ravel(), [-deviation, -deviation, deviation], rtol=1e-6
    )


def test_a_filter_of_equal_weights_has_no_gradient_that_is_not_finite():
    cell = QUANTIZERS["adabin"].weight((2, 1, 1, 1), layer_config(quantizer="adabin", backend="plain"))
    w, upstream = np.float32([0.5, -0.25]).reshape(2, 1, 1, 1), np.ones((2, 1, 1, 1), np.float32)
    found, gradient, _ = derivatives(cell, w, upstream, 1, [])
    np.testing.assert_allclose(found, w, atol=2e-6)
    assert np.isfinite(gradient).all()


# --- the graph ---

WINDOWS = {  # channels in and out, kernel, stride, padding, groups
    "3x3": (6, 10, 3, 1, 1, 1),
    "stride": (5, 4, 3, 2, 1, 1),
    "no padding": (6, 4, (1, 2), 1, 0, 1),
    "groups": (6, 4, 3, 1, 1, 2),
    "local": (4, 4, (1, 7), 1, (0, 3), 4),
}


@pytest.mark.parametrize("alpha", [0.7, -0.7])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_layer_is_its_sums_of_signs(window, alpha):
    """With a beta of which a padded tap stands aside, at numbers equal to beta as well; in NumPy and in the engine."""
    channels, outputs, *geometry = WINDOWS[window]
    config = layer_config(quantizer="adabin", backend="plain")
    layer = BinaryConv2d(channels, outputs, *geometry, bias=True, config=config)
    rng = np.random.default_rng(0)
    x = (rng.integers(-8, 9, (2, 3, 8, 8)) / 8).astype(np.float32)
    stem = ms.nn.Conv2d(3, channels, 1)
    put(stem.weight, rng.integers(-2, 3, stem.weight.shape))
    put(layer.rsign.alpha, alpha)
    put(layer.rsign.beta, 0.375)
    put(layer.weight, rng.normal(0.1, 0.5, layer.weight.shape))
    put(layer.bias, rng.normal(size=outputs))
    assert (stem(Tensor(x)).asnumpy() == 0.375).any()
    size = layer(stem(Tensor(x))).shape[2:]
    head = ms.nn.Conv2d(outputs, 4, size, pad_mode="valid")
    network = ms.nn.SequentialCell(stem, layer, head).set_train(False)
    graph = trace(network, 8)
    pads = {node.attributes["pad_value"] for node in graph.nodes if node.op == "binary_conv2d"}
    assert pads == {-0.375 if alpha > 0 else 0.375}
    expected = network(Tensor(x)).asnumpy().reshape(2, 4)
    close(run_reference(graph, x), expected)
    for plan in PLANS:
        with environment(BIMLP_PLAN=plan), open_bytes(packed(simplify(graph))) as engine:
            close(engine.logits(x), expected)


def test_a_layer_with_real_weights_keeps_its_padding():
    layer = BinaryConv2d(
        3, 5, 3, 1, 1, config=layer_config("binary_act", quantizer="adabin", backend="plain")
    )
    put(layer.rsign.alpha, -0.5)
    put(layer.rsign.beta, 0.3)
    x, graph = images(2, 6), trace(layer, 6)
    expected = layer(Tensor(x)).asnumpy()
    close(run_reference(graph, x).reshape(expected.shape), expected)


# --- networks ---


@BACKENDS
@pytest.mark.parametrize("size", [6, 7])
def test_the_shortcut_takes_every_second_pixel_and_so_does_its_gradient(backend, size):
    config = layer_config(quantizer="adabin", backend=backend)
    x, upstream = images(2, size), np.zeros((2, 9, (size + 1) // 2, (size + 1) // 2), np.float32)
    upstream[:] = np.random.default_rng(1).normal(size=upstream.shape)
    expected, gradient = np.zeros_like(upstream), np.zeros_like(x)
    expected[:, 3:6] = x[:, :, ::2, ::2]
    gradient[:, :, ::2, ::2] = upstream[:, 3:6]
    y, dx, _ = derivatives(SubsampledShortcut(3, 9, config), x, upstream, config.axis, [])
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(dx, gradient)


RENAMES = (  # patterns in names of the authors' code, and what stands here, one after the other
    (r"^layer(\d)\.(\d)\.downsample", lambda m: f"stages.{int(m[1]) - 1}.{2 * int(m[2])}.shortcut"),
    (
        r"^layer(\d)\.(\d)\.(\w+?)(\d)",
        lambda m: f"stages.{int(m[1]) - 1}.{2 * int(m[2]) + int(m[4]) - 1}.{m[3]}",
    ),
    (r"^conv1", "stem.conv"),
    (r"^bn1", "stem.norm"),
    (r"^nonlinear1", "stem.act"),
    (r"^bn2", "head_norm"),
    (r"^(fc|linear)", "head"),
    (r"(\d)\.conv", r"\1.fc"),
    (r"(\d)\.bn", r"\1.norm"),
    (r"(\d)\.nonlinear", r"\1.act"),
    (r"binary_a\.(alpha|beta)_a", r"rsign.\1"),
    (r"shortcut\.1", "shortcut.conv"),
    (r"shortcut\.2", "shortcut.norm"),
    (r"pos_scale", "positive"),
    (r"neg_scale", "negative"),
    (r"norm\.weight", "norm.gamma"),
    (r"norm\.bias", "norm.beta"),
    (r"running_mean", "moving_mean"),
    (r"running_var", "moving_variance"),
)
# map of the files -> (how many stages, how many units of the next) are before it; all stages have as many units
MAPS = {
    "stem": (0, 0),
    "block_first": (0, 2),
    "block_down": (1, 2),
    **{f"stage{i}": (i, 0) for i in (1, 2, 3, 4)},
}
UNUSED = {"bn3", "nonlinear2"}  # layers of the authors' network that its forward pass leaves out
GOLDEN_NETWORKS = {  # file -> network, overrides
    "adabin_resnet18": ("adabin18", {"widths": (8, 16, 32, 64)}),
    "adabin_resnet20_cifar10_random": ("adabin20", {}),
    "adabin_resnet20_cifar10/trained": ("adabin20", {}),
}


def our_name(name):
    """Name in our networks of a parameter of the authors' code."""
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


@pytest.fixture(scope="module", params=GOLDEN_NETWORKS)
def golden(request):
    """(network with the weights of a golden file, the file's arrays)."""
    model, overrides = GOLDEN_NETWORKS[request.param]
    data = dict(np.load(GOLDEN / "cnn" / f"{request.param}.npz"))
    names = [key[6:] for key in data if key.startswith("param/") and key[6:].split(".")[0] not in UNUSED]
    given = {our_name(name): data[f"param/{name}"] for name in names}
    network = create_model(model, 10, **overrides, backend="plain").set_train(False)
    states = {name for name in network.parameters_dict() if name.endswith("weight_quantizer.t")}
    assert given.keys() == network.parameters_dict().keys() - states
    for name, value in given.items():
        put(network.parameters_dict()[name], value)
    return network, data


def test_networks_give_the_maps_and_logits_of_the_authors_code(golden):
    network, data = golden
    close(network(Tensor(data["x"])).asnumpy(), data["logits"], 1e-5)
    maps = [network.stem(Tensor(data["x"]))]
    for stage in network.stages:
        for unit in stage:
            maps.append(unit(maps[-1]))
    for key, (stages, units) in MAPS.items():
        if f"out/{key}" in data:
            close(maps[stages * len(network.stages[0]) + units].asnumpy(), data[f"out/{key}"], 1e-5)


def test_the_engine_gives_the_logits_of_the_authors_code(golden):
    network, data = golden
    graph = simplify(trace(network, data["x"].shape[2]))
    close(run_reference(graph, data["x"]), data["logits"], 1e-5)
    for plan in PLANS:
        with environment(BIMLP_PLAN=plan), open_bytes(packed(graph)) as engine:
            close(engine.logits(data["x"]), data["logits"], 1e-5)


@pytest.mark.parametrize(
    "name,flops,bops",
    [("adabin18", 1.3779, 1.6890), ("adabin34", 1.3779, None), ("adabin_reactnet_a", 0.1186, 4.8362)],
)
def test_costs_are_the_published_ones(name, flops, bops):
    """FLOPs in 1e8, BOPs in 1e9 with one filter of ones for each layer.

    Where ReActNet doubles its width, two convolutions of the authors are one here, and the filter is shared: not 4.8370e9.
    """
    totals = cost_of(create_model(name, backend="plain"), 224).totals()
    assert round(totals["flops_macs"] / 1e8, 4) == flops
    assert bops is None or round(totals["bops_macs"] / 1e9, 4) == bops
