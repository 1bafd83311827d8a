"""A graph by hand with what networks are made of: binary layers with shortcuts, branches, residuals, stages of blocks."""

import numpy as np

from src.graph.ir import GraphBuilder

WINDOW = {"stride": 1, "padding": (0, 0, 0, 0), "groups": 1}


class Layers:
    """Graph in the making, layer by layer."""

    def __init__(self):
        self.builder = GraphBuilder((3, 8, 8))

    def add(self, name, op, *inputs, **arguments):
        return self.builder.add(op, *inputs, name=name, **arguments)

    def affine(self, name, x):
        return self.add(name, "affine", x, factor=[2], offset=[0])

    def conv(self, name, op, x, channels, **attributes):
        weight = np.ones((channels, self.builder.shapes[x][0], 1, 1))
        return self.add(name, op, x, weight=weight, **WINDOW, **attributes)

    def binary_fc(self, name, x, widen=1):
        """Binary FC, norm, shortcut and activation."""
        y = self.add(f"{name}.fc.rsign", "binarize", x, levels=(-1, 1), threshold=[0])
        y = self.conv(f"{name}.fc", "binary_conv2d", y, widen * self.builder.shapes[x][0], pad_value=0)
        y = self.affine(f"{name}.norm", y)
        if widen > 1:
            x = self.add(f"{name}.shortcut", "concat", *(x,) * widen)
        y = self.add(name, "add", y, x)
        return self.add(f"{name}.act", "prelu", y, positive=[1], negative=[0])

    def block(self, name, x):
        """Norm, two branches, their weighted sum, a residual."""
        z = self.affine(f"{name}.norm", x)
        branches = [self.binary_fc(f"{name}.mix.{side}", z) for side in ("left", "right")]
        scaled = [self.affine(f"{name}.mix.merge.scale", branch) for branch in branches]
        return self.add(name, "add", self.add(f"{name}.mix.merge", "add", *scaled), x)


def layered(depths=(2, 1)):
    """Graph of a stem, stages of so many blocks with a binary FC between them, and a head."""
    net = Layers()
    x = net.affine("stem.norm", net.conv("stem.conv", "conv2d", 0, 4))
    for stage, depth in enumerate(depths):
        if stage:
            x = net.binary_fc(f"downs.{stage}", x, widen=2)
        for i in range(depth):
            x = net.block(f"stages.{stage}.{i}", x)
    x = net.add("mean", "global_mean", net.affine("norm", x))
    net.conv("head", "conv2d", x, 10)
    return net.builder.graph()
