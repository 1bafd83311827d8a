"""A packed network computed slowly and obviously, in NumPy and double precision: one image (3, S, S) -> logits (K,)."""

import numpy as np

WINDOWS = (2, 3, 5, 7)


def signs(x, shift):
    """x (.., C), shift (C,) -> -1 or +1; sign(0) = -1."""
    return np.where(x + shift > 0, 1, -1)


def shortcut(x, channels):
    """Eq. 12: (.., C) -> (.., channels)."""
    c = x.shape[-1]
    if channels >= c:
        return np.concatenate([x] * (channels // c), axis=-1)
    return x.reshape(*x.shape[:-1], channels, c // channels).mean(axis=-1)


class Network:
    """The tensors of a packed file by name, and what its layers make of maps (H, W, C)."""

    def __init__(self, description, tensors):
        self.d = description
        self.tensors = {
            k: np.where(v, 1, -1) if v.dtype == bool else v.astype(np.float64) for k, v in tensors.items()
        }

    def __getitem__(self, name):
        return self.tensors[name]

    def norm(self, name, x):
        return self[f"{name}.factor"] * x + self[f"{name}.offset"]

    def rprelu(self, name, t):
        return np.where(t > 0, t, self[f"{name}.slope"] * t) + self[f"{name}.shift_out"]

    def channel_fc(self, name, x):
        weight = self[f"{name}.weight"]
        sums = signs(x, self[f"{name}.shift"]) @ weight.T
        return self.rprelu(name, self.norm(name, sums) + shortcut(x, len(weight)))

    def channel_mlp(self, name, x):
        return self.channel_fc(f"{name}.fc2", self.channel_fc(f"{name}.fc1", x))

    def spatial_fc(self, name, x, axis):
        channels = x.shape[-1]
        weight = self[f"{name}.weight"]  # (7 G, C)
        group = len(weight) // 7
        weight = weight.reshape(group, 7, -1)
        out = weight.shape[-1]
        bits = signs(x, self[f"{name}.shift"]).reshape(*x.shape[:2], out, group)
        margin = [(3, 3) if i == axis else (0, 0) for i in range(4)]
        padded, sums = np.pad(bits, margin), 0
        for k in range(7):
            window = [slice(k, k + x.shape[i]) if i == axis else slice(None) for i in range(2)]
            sums = sums + np.einsum("hwcg,gc->hwc", padded[tuple(window)], weight[:, k])
        return self.rprelu(name, self.norm(name, sums) + shortcut(x, channels // group))

    def spatial_mlp(self, name, x, axis):
        theta, z = self.channel_fc(f"{name}.phase_fc", x), self.channel_fc(f"{name}.amplitude_fc", x)
        wave = np.concatenate([z * np.cos(theta), z * np.sin(theta)], axis=-1)
        return self.spatial_fc(f"{name}.mix_fc", wave, axis)

    def block(self, name, x):
        s1, c1, s2, c2 = self.d.branches
        z, b = self.norm(f"{name}.norm1", x), f"{name}.block1"
        f = [
            self.spatial_mlp(f"{b}.{a}.{i}", z, n)
            for n, a in enumerate(("height", "width"))
            for i in range(s1 // 2)
        ]
        f += [self.channel_fc(f"{b}.channel.{i}", z) for i in range(c1)]
        a = self.channel_mlp(f"{b}.reweight", (sum(f) + z).mean(axis=(0, 1))).reshape(-1, s1 + c1)
        a = np.exp(a - a.max(axis=1, keepdims=True))
        a /= a.sum(axis=1, keepdims=True)
        x = x + self.channel_fc(f"{b}.projection", sum(f_i * a[:, i] for i, f_i in enumerate(f)) + z)
        m, b = self.norm(f"{name}.norm2", x), f"{name}.block2"
        f = [
            self.spatial_fc(f"{b}.{a}.{i}", m, n)
            for n, a in enumerate(("height", "width"))
            for i in range(s2 // 2)
        ]
        f += [self.channel_mlp(f"{b}.channel.{i}", m) for i in range(c2)]
        w = self[f"{b}.merge"]
        return x + sum(w_i * f_i for w_i, f_i in zip([*w, 1 - w.sum()], f))

    def full(self, name, rows):
        return self.rprelu(name, self.norm(name, rows @ self[f"{name}.weight"].T))

    def stem(self, image):
        kernel, stride, padding = self.d.stem
        padded = np.pad(image.transpose(1, 2, 0), ((padding, padding), (padding, padding), (0, 0)))
        n = (padded.shape[0] - kernel) // stride + 1
        rows = [
            [
                padded[y * stride : y * stride + kernel, x * stride : x * stride + kernel].ravel()
                for x in range(n)
            ]
            for y in range(n)
        ]
        return self.full("stem", np.array(rows))

    def logits(self, image):
        x = self.stem(image.astype(np.float64))
        for s, depth in enumerate(self.d.depths):
            if s:
                x = pools(self.full(f"downsamples.{s - 1}", x))
            for i in range(depth):
                x = self.block(f"stages.{s}.{i}", x)
        return self["head.weight"] @ self.norm("norm", x).mean(axis=(0, 1)) + self["head.bias"]


def pools(x):
    """Mean of the max-pools 2, 3, 5, 7 with stride 2 and padding SAME."""
    h, w, _ = x.shape
    out = 0
    for k in WINDOWS:
        rows, columns = windows(h, k), windows(w, k)
        out = out + np.array([[x[r0:r1, c0:c1].max(axis=(0, 1)) for c0, c1 in columns] for r0, r1 in rows])
    return out / len(WINDOWS)


def windows(size, kernel):
    """(begin, end) of the windows along an axis: as much padding as needed, the odd one behind."""
    count = -(-size // 2)
    before = max((count - 1) * 2 + kernel - size, 0) // 2
    return [(max(2 * i - before, 0), min(2 * i - before + kernel, size)) for i in range(count)]
