"""Each network for small pictures of the registry, with few blocks, in each of its precisions.

Gradients, binary operands, a step of training; its graph in NumPy, and packed, in both plans of the engine.
"""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn
from sklearn.datasets import load_digits

from src.deploy.packed_file import Description, encode
from src.engine import Engine
from src.graph import run_reference, trace
from src.graph.simplify import simplify
from src.model import binary_layers, image_size_of, model_names
from src.model.registry import variants
from tests.graph.networks import calibrated, images
from tests.graph.separate import separated

SMALL = tuple(name for name in model_names() if image_size_of(name) <= 32)
CASES = [(name, precision) for name in SMALL for precision in variants()[name].precisions]
RATE = 0.003  # of the step of training: each weight moves by it, as in Adam's first step


# of a logit, relative to the largest: sums of real numbers round otherwise in another order
TOLERANCES = {"binary": 1e-5, "binary_act": 3e-5, "fp32": 3e-5}


class Case:
    """A calibrated network, and all that the tests look at, each made once."""

    def __init__(self, name, precision):
        self.precision, self.size = precision, image_size_of(name)
        depths = getattr(variants()[name].options, "depths", ())
        few = {"depths": (1,) * len(depths)} if depths else {}
        self.network = calibrated(name, self.size, precision, **few, backend="fast")
        self.images = images(3, self.size)
        self.logits = self.network(Tensor(self.images)).asnumpy()
        self.graph = trace(self.network, self.size)

    def loss(self, pixels, labels):
        """Cross entropy of a batch."""
        return nn.CrossEntropyLoss()(self.network(pixels), labels)

    def gradients(self, batch):
        """(loss, gradients by name) of a batch."""
        weights = self.network.trainable_params()
        value, gradients = ms.value_and_grad(self.loss, None, weights)(*batch)
        return value.asnumpy(), {p.name: g.asnumpy() for p, g in zip(weights, gradients)}


def digits(size):
    """Pictures (8, 3, size, size) and labels of handwritten digits of 8 x 8 pixels."""
    data = load_digits()
    pixels = np.kron(data.images[:8] / 8 - 1, np.ones((size // 8, size // 8)))
    pixels = np.repeat(pixels[:, None], 3, axis=1).astype(np.float32)
    return Tensor(pixels), Tensor(data.target[:8].astype(np.int32))


def keep(operands, name):
    """Hook that keeps the operands of a convolution under a name."""

    def hook(cell, inputs):
        operands[name] = tuple(x.asnumpy() for x in inputs)

    return hook


@pytest.fixture(scope="module", params=CASES, ids=" ".join)
def case(request):
    """Case of a network and a precision, for all tests."""
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield Case(*request.param)
    ms.set_context(mode=mode)


@pytest.fixture(autouse=True)
def graph_mode(pynative):
    """PyNative mode instead of the folder's graph mode."""


def test_the_graph_gives_the_networks_logits(case):
    found = run_reference(case.graph, case.images)
    assert np.abs(case.logits).max() > 0.05 and case.logits.std(0).min() > 1e-4
    np.testing.assert_allclose(found, case.logits, rtol=0, atol=2e-4 * np.abs(case.logits).max())


def test_the_engine_gives_the_graphs_logits_in_both_plans(case, tmp_path, monkeypatch):
    graph, expected = separated(case.graph, case.images)
    description = Description("n", case.size, case.size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    (tmp_path / "n.packed").write_bytes(encode(description, simplify(graph)))
    for plan in ("plain", "fused"):
        monkeypatch.setenv("BIMLP_PLAN", plan)
        with Engine.load(tmp_path / "n.packed") as engine:
            found = engine.logits(case.images)
        atol = TOLERANCES[case.precision] * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=plan)


def test_a_gradient_reaches_every_parameter(case):
    """Of digits, and of images like those whose statistics the norms have: a sign passes none far from 0."""
    pixels, labels = digits(case.size)
    batch = (
        Tensor(np.concatenate([pixels.asnumpy(), images(8, case.size, seed=9)])),
        Tensor(np.tile(labels.asnumpy(), 2)),
    )
    _, gradients = case.gradients(batch)
    assert [name for name, g in gradients.items() if not np.isfinite(g).all() or not g.any()] == []


def test_every_binary_operand_has_one_of_two_values(case):
    operands, layers = {}, binary_layers(case.network)
    handles = [layer.conv.register_forward_pre_hook(keep(operands, name)) for name, layer in layers]
    case.network(Tensor(case.images))
    for handle in handles:
        handle.remove()
    assert operands and operands.keys() == {name for name, _ in layers}
    for name, (x, weight) in operands.items():
        assert (len(np.unique(x)) <= 2) == (case.precision != "fp32"), name
        of_filters = [len(np.unique(each)) for each in weight]
        assert (max(of_filters) <= 2) == (case.precision == "binary"), name


def test_steps_of_training_lower_the_loss(case):  # the last test of a case: it changes the network
    """After at most three steps: signs that turn can raise the loss of a binary network for a step."""
    case.network.set_train(True)
    batch, losses = digits(case.size), []
    for _ in range(4):
        loss, gradients = case.gradients(batch)
        losses.append(loss)
        if loss < losses[0]:
            break
        for p in case.network.trainable_params():
            p.set_data(Tensor(p.asnumpy() - np.float32(RATE) * np.sign(gradients[p.name])))
    assert losses[-1] < losses[0]
