"""Networks whose stages give their maps, and training with a loss on these maps."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.learn.feature_loss import FEATURE_LOSSES
from src.learn.step import make_forward
from src.model import create_model, image_size_of, model_names
from src.model.registry import variants
from tests.graph.networks import images

SMALL = tuple(name for name in model_names() if image_size_of(name) <= 32)
# network -> side of its first map, which halves from stage to stage; channels of the maps
MAPS = {
    "adabin20": (32, (16, 32, 64)),
    "bimlp_cifar": (16, (32, 64, 128)),
    "bimlp_t": (8, (32, 64, 128, 256)),
    "birealnet20": (32, (16, 32, 64)),
    "ftbnn20": (32, (32, 64, 128)),
    "meliusnet_nano": (8, (64, 80, 96)),
    "binary_densenet_nano": (32, (64, 64, 64)),
    "quicknet_nano": (8, (32, 64, 128)),
    "reactnet_nano": (32, (32, 64, 128)),
    "react_resnet20": (32, (16, 32, 64)),
    "real_to_binary20": (32, (16, 32, 64)),
    "wave_mlp_nano": (8, (32, 64, 128, 256)),
    "xnornet20": (32, (16, 32, 64)),
}
RATE = 0.003  # of the step of training: each weight moves by it, as in Adam's first step


@pytest.fixture(autouse=True)
def eagerly(pynative):
    """Nothing is compiled."""


def network(name, precision="binary", backend="fast"):
    """Network for small images with a block in each stage."""
    depths = getattr(variants()[name].options, "depths", ())
    few = {"depths": (1,) * len(depths)} if depths else {}
    return create_model(name, 10, precision, **few, backend=backend)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("backend", ["plain", "fast"])
def test_every_small_network_gives_a_map_of_each_stage(name, backend):
    made, x = network(name, backend=backend).set_train(False), Tensor(images(2, image_size_of(name)))
    logits, maps = made.stage_maps(x)
    np.testing.assert_array_equal(logits.asnumpy(), made(x).asnumpy())
    side, widths = MAPS[name]
    assert [each.shape for each in maps] == [(2, w, side >> i, side >> i) for i, w in enumerate(widths)]


@pytest.mark.parametrize("name,loss", [("real_to_binary20", "attention"), ("birealnet20", "lcr")])
def test_steps_of_training_lower_a_loss_on_the_maps(name, loss):
    """After at most three steps: signs that turn can raise the loss of a binary network for a step."""
    student, teacher = network(name).set_train(True), network(name, "fp32").set_train(False)
    batch = Tensor(images(4, 32)), Tensor(np.eye(10, dtype=np.float32)[:4]), None
    weights, added = student.trainable_params(), []
    forward = make_forward(student, teacher, 0.5, 0.0, loss, 100.0)  # so that the step is this loss's
    plain = make_forward(student, teacher, 0.5, 0.0)
    of_all, of_plain = (ms.value_and_grad(f, None, weights, has_aux=True) for f in (forward, plain))
    for _ in range(4):
        added.append(FEATURE_LOSSES[loss](student.stage_maps(batch[0])[1], teacher.stage_maps(batch[0])[1]))
        if added[-1] < added[0]:
            break
        (total, _), gradients = of_all(*batch)
        if len(added) == 1:
            others = of_plain(*batch)[1]
            assert any(np.abs(a.asnumpy() - b.asnumpy()).max() > 1e-3 for a, b in zip(gradients, others))
            assert total > 100 * added[0]
        for p, gradient in zip(weights, gradients):
            p.set_data(Tensor(p.asnumpy() - np.float32(RATE) * np.sign(gradient.asnumpy())))
    assert added[-1] < added[0]
