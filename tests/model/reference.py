"""BiMLP's forward pass in evaluation mode, the slow and obvious way: numpy, NCHW, loops over taps and windows."""

import numpy as np

EPS = 1e-5


def sign(x):
    return np.where(x > 0, 1.0, -1.0)


def uni_shortcut(x, out):
    channels = x.shape[1]
    if out == channels:
        return x
    if out > channels:
        return np.concatenate([x] * (out // channels), axis=1)
    n = channels // out
    return np.stack([x[:, n * j : n * j + n].mean(axis=1) for j in range(out)], axis=1)


def max_pool_same(x, kernel):
    """Stride 2, padding SAME (ignored by the maximum): on an even size one pixel more after than before."""
    size = x.shape[2]
    total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
    before = total // 2
    pads = ((0, 0), (0, 0), (before, total - before), (before, total - before))
    padded = np.pad(x, pads, constant_values=-np.inf)
    steps = range(0, -(-size // 2) * 2, 2)
    return np.stack(
        [
            np.stack([padded[:, :, i : i + kernel, j : j + kernel].max((2, 3)) for j in steps], -1)
            for i in steps
        ],
        -2,
    )


class Reference:
    """parameters: name -> array; precision as in create_model; depths per stage; branches (S1, C1, S2, C2)."""

    def __init__(self, parameters, precision, depths, stem, branches=(2, 1, 2, 1)):
        self.p = {name: value.astype(np.float64) for name, value in parameters.items()}
        self.precision, self.depths, self.stem, self.branches = precision, depths, stem, branches
        self.calibrating = False

    def calibrate(self, x):
        """Set the running statistics of every norm to those of its input for the images x; return them by name."""
        self.calibrating = True
        self.logits(x)
        self.calibrating = False
        return {name: value for name, value in self.p.items() if ".moving_" in f".{name}"}

    def vector(self, name):
        return self.p[name].reshape(1, -1, 1, 1)

    def norm(self, x, name):
        if self.calibrating:
            self.p[f"{name}.moving_mean"] = x.mean((0, 2, 3))
            self.p[f"{name}.moving_variance"] = x.var((0, 2, 3)) + 0.01
        scale = self.vector(f"{name}.gamma") / np.sqrt(self.vector(f"{name}.moving_variance") + EPS)
        return (x - self.vector(f"{name}.moving_mean")) * scale + self.vector(f"{name}.beta")

    def rprelu(self, x, name):
        t = x + self.vector(f"{name}.shift_in")
        return (
            np.maximum(t, 0)
            + self.vector(f"{name}.slope") * np.minimum(t, 0)
            + self.vector(f"{name}.shift_out")
        )

    def operands(self, x, name):
        weight = self.p[f"{name}.weight"]
        if self.precision != "fp32":
            x = sign(x + self.vector(f"{name}.rsign.bias"))
        scale = np.ones(len(weight))
        if self.precision == "binary":
            weight, scale = sign(weight), np.abs(weight).reshape(len(weight), -1).mean(axis=1)
        return x, weight, scale.reshape(1, -1, 1, 1)

    def conv(self, x, name, stride, padding):
        weight, kernel = self.p[f"{name}.weight"], self.p[f"{name}.weight"].shape[2]
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        size = (x.shape[2] - kernel) // stride + 1
        y = np.zeros((len(x), len(weight), size, size))
        for i in range(size):
            for j in range(size):
                patch = x[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
                y[:, :, i, j] = np.einsum("bchw,ochw->bo", patch, weight)
        return y + self.vector(f"{name}.bias")

    def fc(self, x, name):
        x, weight, scale = self.operands(x, name)
        return np.einsum("bchw,oc->bohw", x, weight[:, :, 0, 0]) * scale

    def local_fc(self, x, name):
        x, weight, scale = self.operands(x, name)
        outputs, group, taps_h, taps_w = weight.shape
        _, _, h, w = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (taps_h // 2,) * 2, (taps_w // 2,) * 2))
        y = np.zeros((len(x), outputs, h, w))
        for o in range(outputs):
            for g in range(group):
                for i in range(taps_h):
                    for j in range(taps_w):
                        y[:, o] += weight[o, g, i, j] * padded[:, o * group + g, i : i + h, j : j + w]
        return y * scale

    def cbfc(self, x, name):
        y = self.norm(self.fc(x, f"{name}.fc"), f"{name}.norm")
        return self.rprelu(y + uni_shortcut(x, y.shape[1]), f"{name}.act")

    def sbfc(self, x, name):
        y = self.norm(self.local_fc(x, f"{name}.fc"), f"{name}.norm")
        return self.rprelu(y + uni_shortcut(x, y.shape[1]), f"{name}.act")

    def channel_mlp(self, x, name):
        return self.cbfc(self.cbfc(x, f"{name}.fc1"), f"{name}.fc2")

    def spatial_mlp(self, x, name):
        theta, z = self.cbfc(x, f"{name}.phase_fc"), self.cbfc(x, f"{name}.amplitude_fc")
        return self.sbfc(np.concatenate([z * np.cos(theta), z * np.sin(theta)], axis=1), f"{name}.mix_fc")

    def block1(self, z, name):
        s, c = self.branches[:2]
        outputs = [
            self.spatial_mlp(z, f"{name}.{axis}.{i}") for axis in ("height", "width") for i in range(s // 2)
        ]
        outputs += [self.cbfc(z, f"{name}.channel.{i}") for i in range(c)]
        pooled = (sum(outputs) + z).mean(axis=(2, 3), keepdims=True)
        a = self.channel_mlp(pooled, f"{name}.reweight").reshape(len(z), z.shape[1], s + c)
        a = np.exp(a - a.max(axis=2, keepdims=True))
        a = (a / a.sum(axis=2, keepdims=True))[..., None, None]
        return self.cbfc(sum(f * a[:, :, i] for i, f in enumerate(outputs)) + z, f"{name}.projection")

    def block2(self, m, name):
        s, c = self.branches[2:]
        outputs = [self.sbfc(m, f"{name}.{axis}.{i}") for axis in ("height", "width") for i in range(s // 2)]
        outputs += [self.channel_mlp(m, f"{name}.channel.{i}") for i in range(c)]
        weights = self.p[f"{name}.merge"]
        weights = [*weights, 1 - weights.sum()]
        return sum(w * f for w, f in zip(weights, outputs))

    def logits(self, x):
        kernel, stride, padding = self.stem
        x = self.rprelu(self.norm(self.conv(x, "stem.conv", stride, padding), "stem.norm"), "stem.act")
        for stage, depth in enumerate(self.depths):
            for block in range(depth):
                name = f"stages.{stage}.{block}"
                x = x + self.block1(self.norm(x, f"{name}.norm1"), f"{name}.block1")
                x = x + self.block2(self.norm(x, f"{name}.norm2"), f"{name}.block2")
            if stage + 1 < len(self.depths):
                name = f"downsamples.{stage}"
                x = self.rprelu(self.norm(self.conv(x, f"{name}.fc", 1, 0), f"{name}.norm"), f"{name}.act")
                x = sum(max_pool_same(x, kernel) for kernel in (2, 3, 5, 7)) / 4
        x = self.norm(x, "norm").mean(axis=(2, 3))
        return x @ self.p["head.weight"].T + self.p["head.bias"]
