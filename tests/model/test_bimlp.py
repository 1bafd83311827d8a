"""Whole networks: against the reference, operands, gradients, modes, variants, refusals."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from src.model import binary_layers, create_model, model_names
from tests.model.conftest import REDUCED, copy_parameters, images, reduced, reference_of, scramble

PRECISIONS = ("fp32", "binary_act", "binary")


def arrays(network):
    return {name: p.asnumpy() for name, p in network.parameters_dict().items()}


@pytest.mark.parametrize("backend", ["plain", "fast"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_network_is_the_reference(precision, backend, pynative):
    network = reduced(precision=precision, backend=backend)
    x = images(2, 32)
    expected = reference_of(network, precision, REDUCED).logits(x)
    np.testing.assert_allclose(network(Tensor(x)).asnumpy(), expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("branches", [(4, 0, 0, 2), (0, 2, 4, 0), (4, 1, 2, 2), (2, 2, 4, 1)])
def test_branch_counts_of_table_3_follow_the_reference(branches, pynative):
    small = {**REDUCED, "widths": (8, 16), "depths": (1, 1), "branches": branches}
    network = reduced(**small)
    x = images(2, 32)
    expected = reference_of(network, "binary", small).logits(x)
    np.testing.assert_allclose(network(Tensor(x)).asnumpy(), expected, rtol=1e-3, atol=2e-3)


def test_graph_mode_gives_what_pynative_gives_with_every_backend():
    small = {"precision": "binary", "widths": (8, 16), "depths": (1, 1)}
    network = reduced(backend="plain", **small)
    others = [
        copy_parameters(network, reduced(backend=backend, seed=1, **small)) for backend in ("fast", "fused")
    ]
    x = Tensor(images(2, 32))
    in_graph = [each(x).asnumpy() for each in (network, *others)]
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for logits in in_graph:
        np.testing.assert_allclose(logits, network(x).asnumpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("depths,backend", [((2, 2, 4, 2), "plain"), ((1, 1, 1, 1), "fast")])
def test_operands_of_every_binary_layer_are_exactly_minus_one_or_one(depths, backend, pynative):
    narrow = (16, 32, 80, 128)
    network = scramble(create_model("bimlp_s", 10, "binary", backend=backend, widths=narrow, depths=depths))
    network.set_train(False)
    layers, seen = binary_layers(network), set()

    def watch(cell, inputs):
        for kind, operand in zip(("activation", "weight"), inputs):
            values = set(np.unique(operand.asnumpy()))
            assert values <= {-1.0, 1.0}, f"{kind} holds {values - {-1.0, 1.0}}"
        seen.add(id(cell))

    for _, layer in layers:
        layer.conv.register_forward_pre_hook(watch)
    network(Tensor(images(1, 32)))
    blocks = sum(depths)
    assert len(layers) == 14 * blocks  # 2 x 3 PATM, branch, 2 reweight, projection; 2 spatial, 2 MLP
    assert {id(layer.conv) for _, layer in layers} == seen


@pytest.mark.parametrize("precision,backend", [
    *((precision, "fused") for precision in PRECISIONS), ("binary", "fast"), ("binary", "plain"),
])  # fmt: skip
def test_every_parameter_gets_a_gradient(backend, precision):
    # in evaluation mode: before a batch norm in training mode a bias has none
    ms.set_context(mode=ms.GRAPH_MODE if backend == "fused" else ms.PYNATIVE_MODE)
    network = reduced(precision=precision, backend=backend, widths=(16, 32), depths=(1, 1))
    labels = Tensor(np.arange(32, dtype=np.int32) % 10)

    def loss(x):
        return ops.cross_entropy(network(x), labels)

    parameters = network.trainable_params()
    gradients = ms.grad(loss, None, parameters)(Tensor(images(32, 32)))
    silent = [p.name for p, g in zip(parameters, gradients) if not np.abs(g.asnumpy()).sum() > 0]
    assert not silent


def test_merge_scalars_and_biases_start_at_zero_and_slopes_at_a_quarter():
    for name, value in arrays(create_model("bimlp_t", 10)).items():
        if name.endswith((".merge", "rsign.bias", "shift_in", "shift_out")):
            assert not value.any(), name
        if name.endswith("slope"):
            assert (value == 0.25).all(), name


@pytest.mark.parametrize("backend", ["plain", "fast"])
def test_drop_path_scales_both_paths_of_each_block_per_sample(backend, pynative):
    network = reduced(backend=backend, drop_path_rate=0.3, widths=(8, 16), depths=(1, 2))
    np.testing.assert_allclose(network.drop_path_rates, [0, 0, 0.15, 0.15, 0.3, 0.3])
    x = Tensor(images(3, 32))
    kept = network(x, Tensor(np.ones((6, 3, 1, 1, 1), np.float32))).asnumpy()
    np.testing.assert_allclose(kept, network(x).asnumpy(), rtol=1e-5, atol=1e-5)
    factors = np.ones((6, 3, 1, 1, 1), np.float32)
    factors[:, 1] = 0
    dropped = network(x, Tensor(factors)).asnumpy()
    np.testing.assert_allclose(dropped[[0, 2]], kept[[0, 2]], rtol=1e-5, atol=1e-5)
    assert np.abs(dropped[1] - kept[1]).max() > 1e-2


@pytest.mark.parametrize("name,blocks", [("bimlp_s", (2, 2, 4, 2)), ("bimlp_m", (2, 3, 10, 3))])
def test_binary_weights_are_those_of_the_specification(name, blocks):
    """The weights of every binary layer of every block, counted by hand."""
    network = create_model(name)
    expected = 0
    for c, n in zip((64, 128, 320, 512), blocks):
        patm = 2 * (c * c + c * c + 2 * c * 7)  # phase, amplitude, local FC with two wave channels per output
        reweight = c * c // 4 + c // 4 * 3 * c
        expected += n * (patm + c * c + reweight + c * c + 2 * c * 7 + c * 4 * c + 4 * c * c)
    assert sum(layer.weight.size for _, layer in binary_layers(network)) == expected


def test_downsampling_original_is_a_strided_convolution(pynative):
    network = scramble(create_model("bimlp_t", 10, **REDUCED, downsample="original"))
    network.set_train(False)
    assert network.downsamples[0].conv.weight.shape == (16, 8, 3, 3)
    assert network(Tensor(images(2, 32))).shape == (2, 10)


@pytest.mark.parametrize("name", model_names())
def test_every_name_builds_with_unique_parameter_names(name):
    network = create_model(name, 7, "fp32" if name.startswith("wave") else "binary")
    names = [p.name for p in network.get_parameters()]
    assert len(names) == len(set(names))


def test_mindcv_models_build_as_teachers(pynative):
    network = create_model("resnet18", 10, "fp32")
    network.set_train(False)
    assert network(Tensor(images(1, 64))).shape == (1, 10)


REFUSED = [
    (("bimlp_x",), {}, "unknown model: 'bimlp_x'; did you mean .*bimlp_s"),
    (("bimlp_s", 0), {}, "num_classes: expected at least 1, got 0"),
    (("bimlp_s", 10, "int8"), {}, "precision: expected one of fp32, binary_act, binary, got 'int8'"),
    (("bimlp_s",), {"branch": (2, 1, 2, 1)}, "did you mean branches"),
    (("bimlp_s",), {"branches": (3, 1, 2, 1)}, "even spatial counts"),
    (("bimlp_s",), {"branches": (2, 1, 0, 0)}, "at least one branch"),
    (
        ("bimlp_s",),
        {"downsample": "pool"},
        "downsample: expected one of proposed, original, binary, got 'pool'",
    ),
    (("bimlp_s",), {"groups": 0}, "groups: expected at least 1, got 0"),
    (("bimlp_s",), {"groups": 3}, "groups: expected a divisor of 64 and 64 channels, got 3"),
    (("bimlp_s",), {"activation_gradient": "tanh"}, "activation_gradient: expected one of auto, ste"),
    (
        ("bimlp_s",),
        {"quantizer": "dsq", "activation_gradient": "clip_grad"},
        "expected auto with quantizer dsq, whose gradient is fixed, got 'clip_grad'",
    ),
    (
        ("bimlp_s",),
        {"quantizer": "rotated"},
        "quantizer: expected one of bimlp, sign, xnor, .*, got 'rotated'",
    ),
    (("bimlp_s",), {"norm": "group"}, "norm: expected one of batch, layer, got 'group'"),
    (
        ("bimlp_s",),
        {"activation": "silu"},
        "activation: expected one of rprelu, prelu, relu, gelu, .*, got 'silu'",
    ),
    (("bimlp_s",), {"shortcut": "dense"}, "shortcut: expected one of uni, same_shape, none, got 'dense'"),
    (("bimlp_s",), {"token_mixing": "mixer"}, "token_mixing: expected one of patm, .*, got 'mixer'"),
    (("wave_mlp_t",), {"shortcut": "none"}, "unknown override of wave_mlp_t: 'shortcut'"),
    (("bimlp_s",), {"backend": "slow"}, "backend: expected auto or one of plain, fast, fused, got 'slow'"),
    (("bimlp_t",), {"backend": "fused", "branches": (16, 1, 2, 1)}, "at most 16 with backend fused, got 17"),
    (
        ("bimlp_s",),
        {"backend": "fused", "compute_type": "float16"},
        "backend fused: expected device CPU and compute_type float32, got CPU and float16",
    ),
    (("bimlp_s",), {"compute_type": "int8"}, "compute_type: expected one of float32"),
    (("resnet34", 10, "binary"), {}, "expected precision fp32"),
    (("released_bimlp_s", 10, "fp32"), {}, "expected precision binary"),
]


@pytest.mark.parametrize("arguments,overrides,message", REFUSED)
def test_refusals_say_what_is_expected(arguments, overrides, message):
    with pytest.raises(ValueError, match=message):
        create_model(*arguments, **overrides)
