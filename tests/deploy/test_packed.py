"""Packed files: the bytes that FORMAT.md describes, what they hold of a network, and the networks that have none."""

import struct
import zlib

import numpy as np
import pytest

from src.common.errors import InputError
from src.cost.count import cost_of
from src.deploy import unsupported_reason, write_packed
from src.deploy.packed import describe, packed_size, tensors_of
from src.deploy.packed_file import decode, encode, packed_bytes
from src.deploy.packed_layout import Description, layout
from src.model import create_model

FIELDS = {
    "variant": "bimlp_t",
    "image_size": 32,
    "resize": 36,
    "mean": (0.1, 0.2, 0.3),
    "std": (0.4, 0.5, 0.6),
}
NAMES = tuple(f"class {i}" for i in range(9)) + ("größte",)


@pytest.fixture
def written(tiny, tmp_path):
    """(network, description, bytes) of a packed file."""
    network = tiny(widths=(8, 12), depths=(2, 1))
    path = tmp_path / "n.packed"
    description, size = write_packed(network, path, **FIELDS, class_names=NAMES)
    assert size == path.stat().st_size
    return network, description, path.read_bytes()


def test_the_header_is_at_the_documented_places(written):
    _, _, data = written
    assert data[:8] == bytes.fromhex("8942694D4C500D0A")
    assert struct.unpack_from("<IIQ", data, 8) == (1, 288, len(data))
    assert struct.unpack_from("<6I", data, 24) == (32, 36, 7, 4, 2, 10)
    assert struct.unpack_from("<6d", data, 48) == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    assert struct.unpack_from("<8I", data, 96) == (2, 1, 2, 1, 2, 7, len("\n".join(NAMES).encode()) + 1, 0)
    assert struct.unpack_from("<16I", data, 128) == (8, 12, *(0,) * 6, 2, 1, *(0,) * 6)
    assert data[192:199] == b"bimlp_t" and data[199:288].rstrip(b"\0").decode() == "\n".join(NAMES) + "\n"
    assert struct.unpack_from("<I", data, len(data) - 4) == (zlib.crc32(data[:-4]),)


def test_the_stem_and_the_first_bits_are_at_the_documented_places(written):
    network, _, data = written
    weight = network.stem.conv.weight.asnumpy()  # (O, colour, row, column)
    found = np.frombuffer(data, "<f4", 8 * 147, 288).reshape(8, 7, 7, 3)
    np.testing.assert_array_equal(found, weight.transpose(0, 2, 3, 1))
    at = 288 + 4 * (8 * 147 + 4 * 8 + 2 * 8 + 8)  # behind the stem, norm1 and the shift of the first phase FC
    first = network.stages[0][0].block1.height[0].phase_fc.fc.weight.asnumpy().reshape(8, 8)
    words = struct.unpack_from("<8I", data, at)
    expected = [sum(1 << k for k in range(8) if row[k] > 0) for row in first]
    assert list(words) == expected


def test_the_same_network_gives_the_same_bytes_in_any_form(written, tiny, tmp_path):
    _, _, data = written
    for backend in ("plain", "fast"):
        path = tmp_path / f"{backend}.packed"
        write_packed(tiny(widths=(8, 12), depths=(2, 1), backend=backend), path, **FIELDS, class_names=NAMES)
        assert path.read_bytes() == data


def test_what_is_read_is_what_was_written(written):
    network, description, data = written
    read, tensors = decode(data)
    assert read == description
    own = tensors_of(network)
    assert list(tensors) == [entry.name for entry in layout(description)] and own.keys() == tensors.keys()
    for name, array in own.items():
        np.testing.assert_array_equal(tensors[name], np.asarray(array, tensors[name].dtype))


def test_norm_scale_and_shift_are_folded_in_double_precision(written):
    network, _, data = written
    _, tensors = decode(data)
    cell = network.stages[0][1].block1.projection
    gamma, beta, mean, variance, shift_in = (
        p.asnumpy().astype(np.float64)
        for p in (
            cell.norm.gamma,
            cell.norm.beta,
            cell.norm.moving_mean,
            cell.norm.moving_variance,
            cell.act.shift_in,
        )
    )
    alpha = np.abs(cell.fc.weight.asnumpy().astype(np.float64)).mean(axis=(1, 2, 3))
    factor = gamma / np.sqrt(variance + 1e-5)
    name = "stages.0.1.block1.projection"
    np.testing.assert_allclose(
        tensors[f"{name}.factor"], factor * alpha, rtol=2e-7
    )  # alpha is the framework's mean
    np.testing.assert_array_equal(
        tensors[f"{name}.offset"], (beta - factor * mean + shift_in).astype(np.float32)
    )
    np.testing.assert_array_equal(tensors[f"{name}.slope"], cell.act.slope.asnumpy())


@pytest.mark.parametrize("name,most", [("bimlp_s", 6.4e6), ("bimlp_m", 9.5e6)])
def test_sizes_of_the_papers_networks(name, most):
    network = create_model(name, 1000, backend="fast")
    assert packed_size(network, name) <= most


@pytest.mark.parametrize("names", [(), NAMES])
def test_the_cost_counter_knows_the_size_to_the_byte(tiny, tmp_path, names):
    network = tiny(widths=(8, 12), depths=(2, 1), backend="fast")
    _, size = write_packed(network, tmp_path / "n.packed", **FIELDS, class_names=names)
    assert cost_of(network, 32, "bimlp_t", names).packed_bytes == size


@pytest.mark.parametrize(
    "changes,reason",
    [
        ({"precision": "fp32"}, "precision binary"),
        ({"precision": "binary_act"}, "precision binary"),
        ({"norm": "layer"}, "norm batch"),
        ({"activation": "gelu"}, "activation rprelu, prelu or relu"),
        ({"shortcut": "none"}, "shortcut uni"),
        ({"shortcut": "same_shape"}, "shortcut uni"),
        ({"downsample": "original", "widths": (8, 8), "depths": (1, 1)}, "downsample proposed"),
        ({"token_mixing": "patm_interleaved"}, "token_mixing patm"),
        ({"token_mixing": "cycle_fc"}, "token_mixing patm"),
        ({"quantizer": "dorefa"}, "a quantizer whose activations are -1 and \\+1"),
        ({"name": "wave_mlp_nano"}, "a BiMLP, got WaveMLP"),
    ],
)
def test_other_networks_have_no_packed_file(tiny, tmp_path, changes, reason):
    network = tiny(**changes)
    with pytest.raises(InputError, match=f"file_format PACKED: expected .*{reason}"):
        write_packed(network, tmp_path / "n.packed", **FIELDS, class_names=())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [{"activation": "prelu"}, {"activation": "relu"}, {"quantizer": "xnor"},
                                     {"quantizer": "sign"}, {"quantizer": "reactnet"}])  # fmt: skip
def test_networks_with_signs_and_piecewise_linear_activations_have_one(tiny, tmp_path, changes):
    network = tiny(**changes)
    assert unsupported_reason(network) is None
    write_packed(network, tmp_path / "n.packed", **FIELDS, class_names=())
    _, tensors = decode((tmp_path / "n.packed").read_bytes())
    if changes.get("activation") == "relu":
        assert not tensors["stem.slope"].any()


@pytest.mark.parametrize(
    "fields,message",
    [
        (
            {"class_names": (*"abc", "b\nc", *"efghi", "\x1b")},
            r"names that are UTF-8 without control characters \(class 3 is 'b\\nc'\), got",
        ),
        ({"variant": "a\tb"}, r"without control characters \(the variant is 'a\\tb'\), got"),
        ({"class_names": ("a",)}, "one class name per class"),
        ({"std": (0.0, 1.0, 1.0)}, "stds of 0.001"),
        ({"mean": (np.nan, 0.0, 0.0)}, "means of at most 1000"),
        ({"resize": 31}, "resize from the image size"),
        ({"variant": "x" * 65}, "a variant's name of at most 64 bytes"),
    ],
)
def test_settings_that_the_format_cannot_hold(tiny, tmp_path, fields, message):
    with pytest.raises(InputError, match=message):
        write_packed(tiny(), tmp_path / "n.packed", **{**FIELDS, "class_names": (), **fields})
    assert not list(tmp_path.iterdir())


def test_numbers_must_be_finite(tiny, tmp_path):
    network = tiny()
    gamma = network.norm.gamma.asnumpy()
    gamma[3] = np.inf
    network.norm.gamma.set_data(type(network.norm.gamma)(gamma))
    with pytest.raises(InputError, match="norm.factor: expected finite numbers"):
        write_packed(network, tmp_path / "n.packed", **FIELDS, class_names=())


def test_sizes_are_counted_without_the_list_of_tensors():
    deep = Description("x", 32, 32, (3, 2, 1), (8, 12), (3, 2), (2, 1, 2, 1), 5, (0.0,) * 3, (1.0,) * 3)
    tensors = {
        entry.name: np.zeros(entry.shape, bool if entry.bits else np.float32) for entry in layout(deep)
    }
    assert packed_bytes(deep) == len(encode(deep, tensors))
    with pytest.raises(ValueError, match="missing or left over: \\['norm.factor'\\]"):
        encode(deep, {name: array for name, array in tensors.items() if name != "norm.factor"})
    with pytest.raises(ValueError, match="head.bias: expected shape \\(5,\\), got \\(6,\\)"):
        encode(deep, {**tensors, "head.bias": np.zeros(6)})


def test_a_network_describes_itself(tiny):
    found = describe(tiny(widths=(8, 16), depths=(2, 1), branches=(4, 2, 2, 3)), **FIELDS)
    assert (found.widths, found.depths, found.branches) == ((8, 16), (2, 1), (4, 2, 2, 3))
    assert (found.stem, found.classes) == ((7, 4, 2), 10)
