"""The released network against the authors' names, shapes and logits.

golden/released: `*.params.txt.gz` are names and shapes of the published checkpoints (bimlp_s, bimlp_m) and of
two reduced networks, which have a checkpoint, inputs and the released code's logits as well (tiny_s, tiny_m).
"""

import gzip
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest

from src.model import create_model
from src.model.networks.released import (
    BinaryMLP,
    ReleasedBiMLP,
    UniShortcut,
    scaled_sign,
    three_valued,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "released"
TINY_WIDTHS = (16, 32, 64, 128)
ARCHITECTURES = {
    "bimlp_s": "released_bimlp_s",
    "bimlp_m": "released_bimlp_m",
    "tiny_s": {"depths": (1, 1, 2, 1), "widths": TINY_WIDTHS, "norm": "batch", "num_classes": 10},
    "tiny_m": {"depths": (1, 2, 2, 1), "widths": TINY_WIDTHS, "norm": "group", "num_classes": 10},
}
TINY = ("tiny_s", "tiny_m")


def build(name):
    """The network of a row of ARCHITECTURES: a name for create_model, or the arguments of ReleasedBiMLP."""
    row = ARCHITECTURES[name]
    return create_model(row) if isinstance(row, str) else ReleasedBiMLP(**row)


pytestmark = pytest.mark.usefixtures("pynative")


def loaded(name):
    net = build(name)
    unmatched = ms.load_param_into_net(net, ms.load_checkpoint(str(GOLDEN / f"{name}.ckpt")))
    assert unmatched == ([], [])
    return net


def logits(net, x):
    return net(ms.Tensor(x)).asnumpy()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_and_shapes_are_those_of_the_checkpoint(name):
    lines = gzip.decompress((GOLDEN / f"{name}.params.txt.gz").read_bytes()).decode().splitlines()
    expected = {line.split()[0]: tuple(map(int, line.split()[1].split("x"))) for line in lines}
    assert len(expected) == len(lines)
    assert {p.name: tuple(p.shape) for p in build(name).get_parameters()} == expected


@pytest.mark.parametrize("name", TINY)
def test_logits_are_those_of_the_released_code(name):
    golden = np.load(GOLDEN / f"{name}.npz")
    np.testing.assert_allclose(logits(loaded(name), golden["x"]), golden["logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_one_image_gives_the_logits_it_has_in_a_batch(name):
    golden = np.load(GOLDEN / f"{name}.npz")
    got = logits(loaded(name), golden["x"][:1])
    assert got.shape == (1, 10)
    np.testing.assert_allclose(got, golden["logits"][:1], rtol=0, atol=1e-4)


@pytest.mark.thorough
def test_graph_mode_equals_pynative():
    x = np.load(GOLDEN / "tiny_m.npz")["x"]  # has both norms
    expected = logits(loaded("tiny_m"), x)
    ms.set_context(mode=ms.GRAPH_MODE)
    np.testing.assert_allclose(logits(loaded("tiny_m"), x), expected, rtol=0, atol=1e-5)


def test_activations_are_rounded_to_three_values():
    x = np.array([-3, -1, -0.51, -0.5, -0.2, 0, 0.2, 0.5, 0.51, 1, 1.5, 2.5], np.float32)
    got = three_valued(ms.Tensor(x), 0.5).asnumpy()
    np.testing.assert_array_equal(got, [-1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(got, np.rint(np.clip(x, -1, 1)))


def test_a_1x1_filter_has_one_scale_and_zero_stays_zero():
    w = np.array([[0.5, -1.5, 0.0, 2.0], [1, 1, -1, 1]], np.float32).reshape(2, 4, 1, 1)
    got = scaled_sign(ms.Tensor(w)).asnumpy().reshape(2, 4)
    np.testing.assert_array_equal(got, [[1, -1, 0, 1], [1, 1, -1, 1]])  # (0.5 + 1.5 + 0 + 2) / 4 = 1


def test_a_wave_filter_has_one_scale_per_tap():
    w = np.array([[[[1, 2, -4]], [[-3, 4, -2]]]], np.float32)  # (1, 2, 1, 3): means 2, 3, 3
    np.testing.assert_array_equal(scaled_sign(ms.Tensor(w)).asnumpy(), [[[[2, 3, -3]], [[-2, 3, -3]]]])


def test_a_depth_wise_filter_keeps_its_real_weights():
    w = np.random.default_rng(1).normal(size=(5, 1, 7, 1)).astype(np.float32)
    np.testing.assert_array_equal(scaled_sign(ms.Tensor(w)).asnumpy(), w)


def test_shortcut_copies_whole_maps_and_averages_neighbours():
    x = ms.Tensor(np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1))
    assert UniShortcut(4)(x).asnumpy().ravel().tolist() == [0, 1, 2, 3]
    assert UniShortcut(8)(x).asnumpy().ravel().tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert UniShortcut(2)(x).asnumpy().ravel().tolist() == [0.5, 2.5]


def test_shortcuts_of_the_mlp_carry_the_unshifted_input():
    mlp = BinaryMLP(4, 16, 4)
    for p in mlp.get_parameters():
        if "weight" in p.name:
            p.set_data(ms.ops.zeros_like(p))
        if p.name in ("move1.bias", "move2.bias"):
            p.set_data(ms.ops.zeros_like(p) + 7)
    x = np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1, 1)
    # every FC gives 0 and every RPReLU is x for x > 0, so y = BN0(copies of x) and the result U(y)
    y = np.tile(x.ravel(), 4) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(mlp(ms.Tensor(x)).asnumpy().ravel(), y.reshape(4, 4).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize(("name", "millions"), [("bimlp_s", 15.84), ("bimlp_m", 29.69)])
def test_number_of_learned_parameters(name, millions):
    count = sum(p.size for p in build(name).trainable_params())
    assert round(count / 1e6, 2) == millions


def test_training_mode_is_refused():
    net = build("tiny_s").set_train()
    with pytest.raises(ValueError, match="released network: expected evaluation mode, got training mode"):
        logits(net, np.zeros((1, 3, 64, 64), np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "layer"}, "norm: expected one of batch, group, got 'layer'"),
        ({"depths": (1, 1, 1)}, "depths and widths: expected four each"),
        ({"widths": (16, 32, 64, 126)}, "widths: expected multiples of 4"),
    ],
)
def test_refuses_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        ReleasedBiMLP(**{**ARCHITECTURES["tiny_s"], **change})
