"""train.accumulate_steps: a step from several batches is the step from one batch of all their images."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from src.learn.optimizer import AdamW
from src.learn.parallel import Workers
from src.learn.schedule import scaled_learning_rate
from src.learn.step import TrainStep, make_forward, path_factors

RATES, STEPS, IMAGES, SEED = (0.3,), 5, 32, 4


class Small(nn.Cell):
    """Two layers without batch statistics, the second one a drop path."""

    def __init__(self):
        super().__init__()
        chance = np.random.default_rng(0)
        self.first, self.second = nn.Dense(12, 8), nn.Dense(8, 5)
        for layer in (self.first, self.second):
            layer.weight.set_data(Tensor(chance.normal(0, 0.5, layer.weight.shape).astype(np.float32)))
            layer.bias.set_data(Tensor(np.zeros(layer.bias.shape, np.float32)))

    def construct(self, images, keep):
        x = self.first(images.reshape((len(images), -1)))
        return self.second(x * keep[0].reshape((-1, 1)))


def steps(accumulate, clip_norm):
    """(weights, figures of each step) after STEPS steps from `accumulate` batches each."""
    network, batch = Small(), IMAGES // accumulate
    chance = np.random.default_rng(1)
    optimizer = AdamW(network.trainable_params(), (0.9, 0.999), 1e-3, 0.05, False, clip_norm, fused=False)
    step = TrainStep([network], make_forward(network, None, 0.0, 0.1), optimizer, Workers(), accumulate)
    figures = []
    for number in range(STEPS):
        images = chance.normal(size=(IMAGES, 3, 2, 2)).astype(np.float32)
        labels = np.eye(5, dtype=np.float32)[chance.integers(0, 5, IMAGES)]
        batches = [
            (
                Tensor(images[part * batch :][:batch]),
                Tensor(labels[part * batch :][:batch]),
                path_factors(RATES, batch, SEED, number, (part, accumulate)),
            )
            for part in range(accumulate)
        ]
        rate = scaled_learning_rate(0.01, 64, batch * accumulate)
        (loss, hits, _), norm = (r.asnumpy() for r in step(batches, optimizer.coefficients(rate, number + 1)))
        figures.append((loss, hits, norm.item()))
    return {p.name: p.asnumpy() for p in network.get_parameters()}, np.array(figures, float)


@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
def test_four_batches_of_eight_are_one_of_32(clip_norm):
    """To rounding: 1e-5, after five steps that move the weights by 1e-2."""
    ms.set_context(mode=ms.GRAPH_MODE)
    (one, one_figures), (four, four_figures) = steps(1, clip_norm), steps(4, clip_norm)
    np.testing.assert_allclose(four_figures, one_figures, rtol=1e-5)
    assert (four_figures[:, 2] > 0.1).all()  # a norm clipped to 0.1 was larger
    for name, value in Small().parameters_dict().items():
        np.testing.assert_allclose(four[name], one[name], atol=1e-5, err_msg=name)
        assert abs(one[name] - value.asnumpy()).max() > 1e-2
