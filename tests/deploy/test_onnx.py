"""ONNX files: every translation alone, whole networks, refusals."""

import importlib.util

import mindspore as ms
import numpy as np
import onnx
import pytest
from mindspore import Tensor, nn, ops

from src.common.errors import InputError
from src.deploy import export_network
from src.deploy.mindir_file import write_mindir
from src.deploy.mindir_graph import read_graph
from src.deploy.onnx_file import load_onnx, write_onnx
from src.deploy.onnx_ops import TRANSLATIONS, Unsupported, same_pads
from src.model.layers.pools import MultiMaxPool
from tests.deploy.fed import feeding

SIZE = 8
SEEN = {}  # (cell, batch size) -> the operations in its graph


class Pools(nn.Cell):
    """The four pools by themselves, one after another along the channels."""

    def __init__(self):
        super().__init__()
        self.pools = MultiMaxPool()

    def construct(self, x):
        pools = self.pools
        return ops.concat((pools.pool2(x), pools.pool3(x), pools.pool5(x), pools.pool7(x)), 1)


class Convolutions(nn.Cell):
    """Padding of each kind: symmetric, unequal per axis, SAME with stride, SAME with dilation and groups, none."""

    def __init__(self):
        super().__init__()
        random = np.random.default_rng(5)
        shapes = ((4, 3, 5, 5), (4, 4, 3, 5), (6, 4, 4, 4), (6, 1, 3, 3), (2, 6, 1, 1))
        self.weights = ms.ParameterTuple(
            [
                ms.Parameter(Tensor(random.normal(size=shape).astype(np.float32)), name=f"w{i}")
                for i, shape in enumerate(shapes)
            ]
        )
        self.symmetric = ops.Conv2D(4, 5, pad_mode="pad", pad=2)
        self.unequal = ops.Conv2D(4, (3, 5), pad_mode="pad", pad=(0, 1, 3, 2))
        self.strided = ops.Conv2D(6, 4, pad_mode="same", stride=2)
        self.dilated = ops.Conv2D(6, 3, pad_mode="same", dilation=2, group=6)
        self.valid = ops.Conv2D(2, 1, pad_mode="valid")

    def construct(self, x):
        x = self.unequal(self.symmetric(x, self.weights[0]), self.weights[1])
        return self.valid(self.dilated(self.strided(x, self.weights[2]), self.weights[3]), self.weights[4])


class Slices(nn.Cell):
    """Slices with and without begin, end and stride; axes taken away, the last among them."""

    def construct(self, x):
        a = x[:, 1::2, 2:6, :-3] + x[:, :1, 1:5, 3:]
        return ops.concat((a[:, 0], x[:, 2, -4:, -5:], x[:, -1, :4, ::2][:, :, 0:1].tile((1, 1, 5))), 1)


class Elements(nn.Cell):
    """Operations on elements."""

    def construct(self, x):
        positive = ops.cast(x > 0.25, ms.float32) - ops.cast(x < -0.25, ms.float32) / 2
        y = ops.maximum(x, 0.5) * 3 + ops.minimum(x, -0.5) - ops.abs(x) + ops.neg(x) * 0.1 + positive
        return ops.sqrt(ops.abs(y)) + ops.square(y) / (1 + ops.abs(x)) + ops.sigmoid(y) + ops.erf(x)


class Waves(nn.Cell):
    """Phases, and the activations of other networks."""

    def __init__(self):
        super().__init__()
        self.relu6 = nn.ReLU6()

    def construct(self, x):
        return ops.cos(x) * ops.relu(x) + ops.sin(x) * self.relu6(x * 5)


class Shapes(nn.Cell):
    """Shapes, sums and products of matrices."""

    def __init__(self):
        super().__init__()
        self.dense, self.flatten = nn.Dense(3 * SIZE, 4), nn.Flatten()

    def construct(self, x):
        y = ops.transpose(x, (0, 3, 1, 2)).reshape(-1, 3 * SIZE)  # (B W, C H)
        y = self.dense(y).reshape(-1, SIZE, 4)
        y = ops.softmax(y, 2) + ops.matmul(y, ops.ones((4, 1), ms.float32)) + y.mean(1, keep_dims=True)
        return self.flatten(ops.tile(y, (1, 2, 1))).mean(1)


class Norms(nn.Cell):
    """Batch norm with stored statistics, group norm with one group and with several."""

    def __init__(self):
        super().__init__()
        self.batch, self.one, self.conv = (
            nn.BatchNorm2d(6, eps=1e-2),
            nn.GroupNorm(1, 6, eps=1e-5),
            nn.Conv2d(3, 6, 1, has_bias=True),
        )
        self.three = nn.GroupNorm(3, 6, eps=1e-3)

    def construct(self, x):
        return self.three(self.one(self.batch(self.conv(x))))


class Residual(nn.Cell):
    """An addition in place."""

    def construct(self, x):
        y = ops.relu(x)
        y += x
        return y


CELLS = (Pools, Convolutions, Slices, Elements, Waves, Shapes, Norms, Residual)


@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("cell", CELLS)
def test_operations_compute_the_same(cell, batch_size, images, logits, randomize, tmp_path):
    network = randomize(cell())
    write_mindir(network, batch_size, SIZE, tmp_path / "cell.mindir")
    write_onnx(tmp_path / "cell.mindir", tmp_path / "cell.onnx")
    SEEN[cell, batch_size] = {node.op for node in read_graph(tmp_path / "cell.mindir").nodes}
    run = load_onnx(tmp_path / "cell.onnx")
    for count in (2,) if batch_size else (1, 3):
        x = images(count, SIZE)
        np.testing.assert_allclose(run(x), logits(network, x), rtol=1e-5, atol=1e-5)


def test_every_translation_was_tried():
    if len(SEEN) < 2 * len(CELLS):
        pytest.skip("counts the operations of the tests before, and some did not run")
    assert set(TRANSLATIONS) <= set.union(*SEEN.values())


def test_windows_of_the_pools_are_asymmetric(tmp_path):
    write_mindir(Pools(), 1, SIZE, tmp_path / "pools.mindir")
    write_onnx(tmp_path / "pools.mindir", tmp_path / "pools.onnx")
    pads = {}
    for node in onnx.load(tmp_path / "pools.onnx").graph.node:
        if node.op_type == "MaxPool":
            settings = {attribute.name: list(attribute.ints) for attribute in node.attribute}
            assert settings["strides"] == [2, 2]
            pads[settings["kernel_shape"][0]] = settings["pads"]
    assert pads == {2: [0, 0, 0, 0], 3: [0, 0, 1, 1], 5: [1, 1, 2, 2], 7: [2, 2, 3, 3]}
    x = np.random.default_rng(4).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
    windows = {2: (0, 2), 3: (0, 3), 5: (-1, 4), 7: (-2, 5)}  # of output i, from 2 i on
    expected = [
        [[x[0, c, slices(i, *window), slices(j, *window)].max() for j in range(4)] for i in range(4)]
        for window in windows.values()
        for c in range(3)
    ]
    np.testing.assert_array_equal(load_onnx(tmp_path / "pools.onnx")(x)[0], expected)


def slices(i, begin, end):
    return slice(max(2 * i + begin, 0), 2 * i + end)


@pytest.mark.parametrize(
    ("sizes", "kernel", "strides", "pads"),
    [
        ((8, 8), (7, 7), (2, 2), [2, 2, 3, 3]),  # 4 windows: 3 * 2 + 7 - 8 = 5
        ((7, 8), (3, 3), (2, 2), [1, 0, 1, 1]),  # rows: 4 windows, 3 * 2 + 3 - 7 = 2
        ((5, 6), (1, 7), (1, 1), [0, 3, 0, 3]),
        ((4, 4), (1, 1), (2, 2), [0, 0, 0, 0]),  # never less than none
    ],
)
def test_same_padding_by_hand(sizes, kernel, strides, pads):
    assert same_pads(sizes, kernel, strides) == pads


def test_same_padding_needs_a_known_size():
    with pytest.raises(Unsupported, match="free size"):
        same_pads((-1, 8), (3, 3), (1, 1))


# --- whole networks ---


def test_a_binary_network_for_any_batch_size(tiny, images, logits, tmp_path):
    network = tiny()
    expected = logits(network, images(5, 32))
    result = export_network(network, "ONNX", None, feeding(32), tmp_path / "tiny.onnx")
    assert result.comparison.agrees and result.frozen == 14
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]
    assert result.path.stat().st_mode & 0o777 == 0o644
    for count in (1, 2, 5):
        np.testing.assert_allclose(
            load_onnx(result.path)(images(5, 32)[:count]), expected[:count], rtol=0, atol=1e-4
        )
    model = onnx.load(result.path)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Sign", "Abs", "ReduceMean"})
    (image,), (output,) = model.graph.input, model.graph.output
    sizes = [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in (image, output)
    ]
    assert (image.name, output.name, sizes) == ("images", "logits", [["batch", 3, 32, 32], ["batch", 10]])
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    binary = [name for name in weights if name.endswith("fc.weight")]
    assert len(binary) == 14
    assert all(set(np.unique(weights[name])) == {-1, 1} for name in binary)


@pytest.mark.parametrize(
    ("name", "precision"), [("bimlp_t", "fp32"), ("wave_mlp_t", "fp32"), ("wave_mlp_s", "fp32")]
)
def test_full_precision_networks(name, precision, tiny, tmp_path):
    result = export_network(tiny(name, precision), "ONNX", 2, feeding(32), tmp_path / "tiny.onnx")
    assert result.comparison.agrees and result.frozen == 0 and result.batches == (2,)


@pytest.mark.parametrize("name,switches", [
    ("wave_mlp_nano", {"quantizer": "dorefa"}),
    ("wave_mlp_nano", {"quantizer": "reactnet"}),
    ("bimlp_t", {"shortcut": "none", "norm": "layer", "activation": "relu", "token_mixing": "cycle_fc"}),
    ("bimlp_t", {"activation": "gelu", "quantizer": "xnor", "token_mixing": "patm_interleaved"}),
])  # fmt: skip
def test_networks_with_switches(name, switches, tiny, tmp_path):
    result = export_network(tiny(name, **switches), "ONNX", 2, feeding(32), tmp_path / "tiny.onnx")
    assert result.comparison.agrees and result.frozen > 0


# --- refusals ---


def test_an_operation_without_a_translation_is_named_with_its_place(tmp_path):
    class Inner(nn.Cell):
        def construct(self, x):
            return ops.cumsum(x, 1)

    class Outer(nn.Cell):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def construct(self, x):
            return self.inner(x)

    write_mindir(Outer(), 1, SIZE, tmp_path / "cell.mindir")
    with pytest.raises(InputError, match=r"no translation for the operations CumSum \(in inner\)"):
        write_onnx(tmp_path / "cell.mindir", tmp_path / "cell.onnx")
    assert not (tmp_path / "cell.onnx").exists()


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_missing_packages_are_named_with_the_command(absent, tiny, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else found(name))
    with pytest.raises(InputError, match=f"{absent} not installed: pip install"):
        export_network(None, "ONNX", 1, feeding(32), tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []
