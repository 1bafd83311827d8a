"""The operators without AVX-512 and AMX: narrower vectors, counting in plain arithmetic, no tiles give the same."""

import ctypes

import numpy as np
import pytest

from src.common import compile as native
from src.operators import available, library_path

FOLDERS = [native.NATIVE, native.NATIVE.parent / "operators" / "native"]
BINARY_WINDOW_TRAINING = np.array([2, 0, 1, 1, 0], np.int32)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The library of this machine, and one without AVX-512."""
    if not available():
        pytest.skip("no C++ compiler")
    if "avx512f" not in native._instruction_set():
        pytest.skip("the processor has no AVX-512: its library is the narrow one")
    narrow = tmp_path_factory.mktemp("narrow") / "narrow.so"
    flags = [
        *native.flags_of("common", "operators"),
        "-shared",
        "-mno-avx512f",
        "-mno-amx-tile",
        "-mno-amx-bf16",
    ]
    native._run([*native.compiler(), *flags, *map(str, native.sources_of(FOLDERS)), "-o", str(narrow)])
    return [ctypes.CDLL(path) for path in (library_path(), str(narrow))]


def call(library, name, arrays):
    """Run one operator on arrays, inputs and outputs."""
    shapes = [(ctypes.c_int64 * a.ndim)(*a.shape) for a in arrays]
    code = getattr(library, name)(
        len(arrays),
        (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays)),
        (ctypes.c_int * len(arrays))(*(a.ndim for a in arrays)),
        (ctypes.c_void_p * len(arrays))(*(ctypes.addressof(shape) for shape in shapes)),
        None, None, None,
    )  # fmt: skip
    assert code == 0


@pytest.mark.parametrize(
    ("channels", "filters", "positions"), [(1, 1, 1), (31, 62, 33), (64, 16, 257), (33, 33, 1100)]
)
def test_global_fc_is_the_same(libraries, channels, filters, positions):
    generator = np.random.default_rng(channels)

    def draw(*shape):
        return generator.standard_normal(shape, dtype=np.float32)

    x, w, b = draw(channels, 1, positions, 1), draw(filters, channels, 1, 1), draw(channels)
    x.reshape(-1)[::7], w.reshape(-1)[::5], b[:1] = 0.0, -0.0, 0.0
    vectors = [draw(filters) for _ in range(7)]
    dy = draw(filters, 1, positions, 1)
    found = []
    for library in libraries:
        y, s = np.zeros_like(dy), np.zeros_like(dy)
        saved = np.zeros(filters * channels + channels + 6 * filters, np.float32)
        new = [np.zeros(filters, np.float32) for _ in range(2)]
        call(library, "fc_forward", [BINARY_WINDOW_TRAINING, x, b, w, *vectors, y, s, saved, *new])
        gradients = [np.zeros_like(v) for v in (x, b, w, *[y[:, 0, 0, 0]] * 5)]
        call(library, "fc_backward", [BINARY_WINDOW_TRAINING, dy, x, s, saved, *gradients])
        found.append([s, y, *gradients])
    wide, narrow = found
    signs = np.where(x[:, 0, :, 0] + b[:, None] > 0, 1, -1), np.where(w[:, :, 0, 0] > 0, 1, -1)
    expected = (signs[1] @ signs[0]).reshape(wide[0].shape)
    np.testing.assert_array_equal(wide[0], expected)
    np.testing.assert_array_equal(narrow[0], expected)
    for one, other in zip(wide[1:], narrow[1:]):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * max(np.abs(one).max(), 1e-6))


@pytest.mark.parametrize("images", [(3, 9, 14), (5, 20, 30), (17, 20, 30)])  # one part, few parts, many parts
@pytest.mark.parametrize(
    ("channels", "filters", "stride"), [(1, 1, 1), (16, 40, 1), (33, 70, 2), (64, 16, 1), (20, 50, 2)]
)
def test_binary_convolution_is_the_same(libraries, channels, filters, stride, images):
    """Gradients of real numbers, which a matrix unit multiplies in parts of 8 bits, to the accuracy of float32."""
    generator = np.random.default_rng(channels)

    def draw(*shape):
        return generator.standard_normal(shape, dtype=np.float32)

    x, w, b = draw(channels, *images), draw(filters, channels, 3, 3), draw(channels)
    dy = draw(filters, images[0], *((size - 1) // stride + 1 for size in images[1:]))
    vectors = [1 + 0.1 * draw(filters) for _ in range(7)]
    flags, window = np.array([2, 0, 1, 0, 0], np.int32), np.array([3, 3, stride, 1, 1], np.int32)
    found = []
    for library in libraries:
        y, s = np.zeros_like(dy), np.zeros_like(dy)
        saved = np.zeros(w.size + channels + 6 * filters, np.float32)
        call(
            library,
            "binary_conv_forward",
            [flags, window, x, x, b, w, *(v.copy() for v in vectors), y, s, saved],
        )
        gradients = [np.zeros_like(v) for v in (x, b, w, *[vectors[0]] * 5)]
        call(library, "binary_conv_backward", [flags, window, dy, x, x, s, saved, *gradients])
        found.append([s, y, *gradients])
    np.testing.assert_array_equal(found[0][0], found[1][0])
    limit = 1.5e-7 * np.sqrt(dy[0].size)  # of sums over all positions
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, atol=limit * max(np.abs(one).max(), 1e-6), rtol=0)


@pytest.mark.parametrize("window", [(3, 2, 1), (2, 1, 0)], ids=str)
@pytest.mark.parametrize("width", [7, 20, 41])
def test_max_pool_is_the_same(libraries, window, width):
    kernel, stride, padding = window
    x = np.random.default_rng(0).integers(-9, 10, (3, 2, 9, width)).astype(np.float32)
    sizes = [(size + 2 * padding - kernel) // stride + 1 for size in x.shape[2:]]
    dy = np.random.default_rng(1).standard_normal((3, 2, *sizes), dtype=np.float32)
    found = []
    for library in libraries:
        y, saved, dx = np.zeros_like(dy), np.zeros_like(dy), np.zeros_like(x)
        call(library, "max_pool_forward", [np.array(window, np.int32), x, y, saved])
        call(library, "max_pool_backward", [np.array(window, np.int32), dy, x, saved, dx])
        found.append([y, saved, dx])
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)
