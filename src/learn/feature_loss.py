"""Losses that compare a student's feature maps with its teacher's, by name: FEATURE_LOSSES.

Each is a function (student maps, teacher maps) -> scalar of two lists of maps (B, C, H, W), one for each stage. The gradient
goes through the student only.
"""

from mindspore import ops

_sum = ops.ReduceSum()
EPS = 1e-12  # under square roots, whose slope at 0 is infinite


def retention(before, after):
    """Retention matrix (B, C, D) of two consecutive maps (B, C, H, W) and (B, D, h, w): the mean over positions of the products
    of their channels, the larger map averaged down to h x w.

    Raises ValueError for sides of the larger map that are no multiples.
    """
    (b, c, *sides), (_, d, h, w) = before.shape, after.shape
    if sides[0] % h or sides[1] % w:
        raise ValueError(f"maps of stages: expected sides that are multiples of {(h, w)}, got {tuple(sides)}")
    kernel = (sides[0] // h, sides[1] // w)
    if kernel != (1, 1):
        before = ops.avg_pool2d(before, kernel, kernel)
    return ops.matmul(before.reshape(b, c, h * w), after.reshape(b, d, h * w).transpose(0, 2, 1)) / (h * w)


def spectral(matrix):
    """sqrt(|M M^T 1|) of each sample's matrix M (B, C, D) -> (B,): one power iteration for its largest singular value, from a
    vector of ones, which is not normalised."""
    ones = ops.ones((matrix.shape[0], matrix.shape[1], 1), matrix.dtype)
    step = ops.matmul(matrix, ops.matmul(matrix.transpose(0, 2, 1), ones)).reshape(matrix.shape[0], -1)
    return ops.sqrt(ops.sqrt(_sum(step * step, 1) + EPS))


def lcr_loss(student, teacher):
    """Lipschitz continuity loss of LCR-BNN (Shang et al., arXiv 2207.06540), as in its authors' code.

    Sum over stages l = 0 .. L - 2 of 2^-(L - 1 - l) times the batch's mean of (s_l - t_l)^2, s_l and t_l `spectral` of the
    retention matrices of stages l and l + 1.
    """
    stages, loss = len(student), 0.0
    for i in range(stages - 1):
        s = spectral(retention(student[i], student[i + 1]))
        t = ops.stop_gradient(spectral(retention(teacher[i], teacher[i + 1])))
        loss = loss + ops.mean((s - t) * (s - t)) / 2 ** (stages - 1 - i)
    return loss


def attention(x):
    """Attention map of a feature map, sum_c x_c^2 over its length: (B, C, H, W) -> (B, H W), of length 1."""
    q = _sum(x * x, 1).reshape(x.shape[0], -1)
    return q / ops.sqrt(_sum(q * q, 1).reshape(-1, 1) + EPS)


def attention_loss(student, teacher):
    """Attention matching of Real-to-Binary (Martinez et al., arXiv 2003.11535, Eq. 3).

    Sum over stages of |q_s - q_t|, mean over the batch, q the `attention` maps. Channels may differ.
    Raises ValueError for maps of different sides.
    """
    loss = 0.0
    for s, t in zip(student, teacher):
        if s.shape[2:] != t.shape[2:]:
            raise ValueError(
                f"maps of a stage: expected the teacher's sides {t.shape[2:]}, got {s.shape[2:]}"
            )
        difference = attention(s) - ops.stop_gradient(attention(t))
        loss = loss + ops.mean(ops.sqrt(_sum(difference * difference, 1) + EPS))
    return loss


FEATURE_LOSSES = {"lcr": lcr_loss, "attention": attention_loss}
