"""Every switch of the model section on whole networks: built, in every precision, trained for a step, fused as composed."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.model import binary_layers, create_model
from src.model.config import layer_config
from src.model.layers.conv import BinaryConv2d
from src.model.layers.quantizers import QUANTIZERS
from src.model.layers.shortcuts import Repeat
from tests.model.conftest import copy_parameters, images, scramble

SMALL = {"widths": (8, 16), "depths": (1, 1)}
OF_TABLE_7 = ("bimlp", "sign", "xnor", "dorefa", "reactnet", "dsq", "bnn_plus")
# one row per switch and value that is not the default
ON_BIMLP = [
    *({"quantizer": name} for name in QUANTIZERS if name != "bimlp"),
    *({"activation_gradient": name} for name in ("approx_sign", "clip_grad")),
    *({"shortcut": name} for name in ("same_shape", "none")),
    *({"activation": name} for name in ("prelu", "relu", "gelu")),
    *({"norm": "layer", "activation": name} for name in ("rprelu", "prelu", "relu", "gelu")),
    *({"token_mixing": name} for name in ("patm_interleaved", "cycle_fc", "axial_shift")),
    *({"downsample": name} for name in ("original", "binary")),
    {"groups": 2},
    {"branches": (4, 1, 2, 2)},
    # several at once
    {
        "shortcut": "none",
        "norm": "layer",
        "activation": "relu",
        "quantizer": "dorefa",
        "token_mixing": "cycle_fc",
    },
]
ON_WAVE_MLP = [
    *({"quantizer": name} for name in OF_TABLE_7),
    *({"activation": name} for name in ("rprelu", "prelu", "relu", "gelu")),
    {"norm": "layer"},
]
CASES = [("bimlp_t", switches) for switches in ON_BIMLP] + [("wave_mlp_nano", s) for s in ON_WAVE_MLP]
NAMES = [f"{name}-{'-'.join(str(value) for value in switches.values())}" for name, switches in CASES]


@pytest.fixture(autouse=True)
def eagerly(pynative):
    """Nothing is compiled unless a test asks for it."""


def step(network, x, labels):
    """Logits and the gradients of a training step in graph mode, as one vector."""
    parameters = network.trainable_params()

    def loss(x):
        logits = network(x)
        return ops.cross_entropy(logits, labels), logits

    (_, logits), gradients = ms.jit(ms.value_and_grad(loss, None, parameters, has_aux=True))(x)
    return logits.asnumpy(), np.concatenate([g.asnumpy().ravel() for g in gradients])


@pytest.mark.parametrize("name,switches", [
    ("bimlp_t", {"shortcut": "none", "norm": "layer", "activation": "relu", "token_mixing": "axial_shift"}),
    ("wave_mlp_nano", {"activation": "gelu", "quantizer": "xnor"}),
])  # fmt: skip
def test_fused_form_trains_as_the_fast_one(name, switches):
    """With batch statistics. Rounding decides a few signs, so gradients agree as a whole."""
    ms.set_context(mode=ms.GRAPH_MODE)
    size = {"widths": (8,), "depths": (1,)}
    networks = [
        create_model(name, 10, "binary", backend=backend, **size, **switches) for backend in ("fast", "fused")
    ]
    scramble(networks[0])
    copy_parameters(networks[0], networks[1])
    x, labels = Tensor(images(16, 32)), Tensor(np.arange(16, dtype=np.int32) % 10)
    (logits, fast), (fused_logits, fused) = (step(network.set_train(True), x, labels) for network in networks)
    np.testing.assert_allclose(fused_logits, logits, rtol=2e-2, atol=5e-2)
    assert np.isfinite(fast).all() and np.linalg.norm(fast) > 0
    assert fast @ fused / (np.linalg.norm(fast) * np.linalg.norm(fused)) > 0.98


def small(name, precision, switches, widths):
    """A network of one block per stage in training mode, with weights of a realistic size."""
    depths = (1,) * len(widths)
    network = create_model(name, 10, precision, backend="fast", widths=widths, depths=depths, **switches)
    return scramble(network).set_train(True)


def widths_for(switches):
    """One stage, or two where something between stages is switched."""
    return (8, 16) if "downsample" in switches else (8,)


def without_and_with(name, switches):
    """Two binary networks, the second with switches; the weights agree where names and shapes do."""
    made = [small(name, "binary", each, widths_for(switches)) for each in ({}, switches)]
    known = made[0].parameters_dict()
    for parameter in made[1].get_parameters():
        if parameter.name in known and known[parameter.name].shape == parameter.shape:
            parameter.set_data(known[parameter.name])
    return made


@pytest.mark.parametrize("name,switches", CASES, ids=NAMES)
def test_switch_trains_and_reaches_the_network(name, switches):
    """Logits differ among images and from those without the switch; weights get finite gradients, not only zeros."""
    default, network = without_and_with(name, switches)
    weights = [p for p in network.trainable_params() if p.ndim > 1]
    x = Tensor(images(4, 32))

    def loss(x):
        logits = network(x)
        return (logits * logits).sum(), logits

    (_, logits), gradients = ms.value_and_grad(loss, None, weights, has_aux=True)(x)
    assert logits.shape == (4, 10) and logits.asnumpy().std(0).min() > 0
    gradients = {p.name: g.asnumpy() for p, g in zip(weights, gradients)}
    assert all(np.isfinite(g).all() for g in gradients.values())
    silent = [each for each, g in gradients.items() if not g.any()]
    assert not [each for each in silent if "reweight" not in each]  # of two channels, which may all be 0
    forward_alike = "activation_gradient" in switches or switches.get("quantizer") == "reactnet"
    is_default = switches in ({"quantizer": "bimlp"}, {"activation": "rprelu"})
    assert np.allclose(default(x).asnumpy(), logits.asnumpy(), atol=1e-3) == (forward_alike or is_default)


OF_ANY_PRECISION = [
    case for case in zip(CASES, NAMES) if not {"quantizer", "activation_gradient"} & case[0][1].keys()
]


@pytest.mark.parametrize(
    "name,switches", [case for case, _ in OF_ANY_PRECISION], ids=[each for _, each in OF_ANY_PRECISION]
)
def test_switch_computes_in_the_other_precisions(name, switches):
    x = Tensor(images(4, 32))
    for precision in ("fp32", "binary_act"):
        logits = small(name, precision, switches, widths_for(switches))(x).asnumpy()
        assert np.isfinite(logits).all() and logits.std(0).min() > 0


@pytest.mark.parametrize("shortcut,identities,repeats", [("uni", 2, 1), ("same_shape", 2, 0), ("none", 0, 0)])
def test_shortcuts_are_where_table_5_has_them(shortcut, identities, repeats):
    network = create_model("bimlp_t", 10, shortcut=shortcut, **SMALL)
    block = network.stages[0][0]
    equal = [block.block1.projection, block.block1.channel[0]]
    assert sum(fc.has_shortcut for fc in equal) == identities
    widening = block.block2.channel[0].fc1
    assert isinstance(widening.shortcut, Repeat) == bool(repeats)


@pytest.mark.parametrize("name", ["bimlp_t", "wave_mlp_nano"])
def test_quantizer_reaches_every_layer_of_the_blocks(name):
    for method, row in QUANTIZERS.items():
        config = layer_config(quantizer=method)
        network = create_model(name, 10, "binary", quantizer=method, **SMALL)
        layers = [layer for _, layer in binary_layers(network)]
        inside = [cell for _, cell in network.stages.cells_and_names() if isinstance(cell, BinaryConv2d)]
        assert len(layers) == len(inside) > 0
        made = [row.weight(layer.weight.shape, config) for layer in layers]
        for layer, cell in zip(layers, made):
            np.testing.assert_array_equal(layer.scale().asnumpy(), cell.scale(layer.weight).asnumpy())
        names = [p.name for p in network.get_parameters()]
        assert any(each.endswith("rsign.bias") for each in names) == row.rsign
        if name == "wave_mlp_nano":
            slopes = [each for each in names if each.endswith(("slope", "act.positive", "act.negative"))]
            assert bool(slopes) == (row.activation_function is not None)
