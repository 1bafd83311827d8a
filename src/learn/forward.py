"""The forward pass of a network for evaluation: arrays in, arrays out."""

from mindspore import Tensor

from .compiled import Compiled
from .step import Predict


class ForwardPass:
    """images float32 (B, 3, H, W) -> logits (B, K), arrays; compiled at the first call.

    Args:
        network: in the mode in which it computes.
        what, log, identity: as of Compiled.
    """

    def __init__(self, network, what, log, identity=None):
        self.compiled = Compiled(Predict(network), what, log, identity)

    @property
    def ready(self):
        """True once it is compiled."""
        return self.compiled.ready

    def __call__(self, images):
        return self.compiled(Tensor(images)).asnumpy()
