"""Whole networks in the engine: against NumPy, against the framework, on every instruction set and number of threads."""

from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import InputError
from src.data.transform import Normalize
from src.engine.inspect import TENSORS, channel_layer, local_layer, trace
from src.model.layers.binary_fc import ShortcutConv
from tests.engine.conftest import images
from tests.engine.reference import Network, shortcut

# settings of networks; the last has no branch of a kind in turn
NETWORKS = [
    {},
    {"widths": (4,), "depths": (2,), "size": 3},
    {"widths": (36, 68, 320), "depths": (1, 1, 1), "size": 18},
    {"branches": (4, 2, 2, 3), "size": 13},
    {"branches": (0, 1, 2, 0), "size": 13},
    {"branches": (2, 0, 0, 1), "size": 9, "stem": (7, 4, 2)},
]


@dataclass
class Case:
    """One of NETWORKS, two images, and what NumPy and the framework make of them; computed once.

    layers: name -> Cell of the binary layers; maps, signs: name -> (input, output) of the layer and of its RSign for the
    first image, channels last; sums: name -> the layer's integer sums of that input.
    """

    tensors: dict
    path: Path
    images: np.ndarray
    expected: np.ndarray
    logits: np.ndarray
    layers: dict
    maps: dict
    signs: dict
    sums: dict


@pytest.fixture(autouse=True)
def pynative():
    """In graph mode every layer would be compiled by itself."""
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=mode)


@pytest.fixture(scope="module")
def cases():
    return {}


@pytest.fixture(params=range(len(NETWORKS)))
def case(request, packed, cases, pynative):
    """Each Case."""
    if request.param not in cases:
        settings = NETWORKS[request.param]
        network, description, tensors, path = packed(**settings)
        x = images(2, settings.get("size", 32))
        layers = {name: cell for name, cell in network.cells_and_names() if isinstance(cell, ShortcutConv)}
        found, logits = recorded(
            network, x[0], [*layers.values(), *(cell.fc.rsign for cell in layers.values())]
        )
        cases[request.param] = Case(
            tensors,
            path,
            x,
            expected=np.array([Network(description, tensors).logits(image) for image in x]),
            logits=logits,
            layers=layers,
            maps={name: found[cell] for name, cell in layers.items()},
            sums={name: sums_of(cell, found[cell][0]) for name, cell in layers.items()},
            signs={name: found[cell.fc.rsign] for name, cell in layers.items()},
        )
    return cases[request.param]


def sums_of(cell, given):
    """The integer sums of a binary layer whose input is `given`, maps of channels last."""
    return cell.fc.accumulate(Tensor(given.transpose(2, 0, 1)[None])).asnumpy()[0].transpose(1, 2, 0)


def recorded(network, image, cells):
    """(Cell -> (input, output) as maps of channels last, logits) of one image."""
    found = {}

    def note(cell, inputs, output):
        found[cell] = tuple(value.asnumpy()[0].transpose(1, 2, 0) for value in (inputs[0], output))

    handles = [cell.register_forward_hook(note) for cell in cells]
    try:
        return found, network(Tensor(image[None])).asnumpy()[0]
    finally:
        for handle in handles:
            handle.remove()


def test_logits_are_those_of_the_numpy_reference(instruction_set, case, engine):
    np.testing.assert_allclose(engine(case.path).logits(case.images), case.expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_and_batches_do_not_change_a_bit(instruction_set, packed, engine, threads):
    path, x = packed(widths=(36, 68, 320), depths=(1, 1, 1), size=18)[-1], images(5, 18)
    one, several = engine(path), engine(path, threads)
    expected = np.concatenate([one.logits(image[None]) for image in x])
    np.testing.assert_array_equal(one.logits(x), expected)
    for count in (1, 4, 5):
        np.testing.assert_array_equal(several.logits(x[:count]), expected[:count])
    assert several.description["threads"] == threads


def test_pixels_are_normalised_as_in_evaluation(packed, engine):
    _, description, _, path = packed()
    pixels = np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    numbers = Normalize(description)(pixels.transpose(0, 3, 1, 2))
    one = engine(path)
    np.testing.assert_array_equal(one.logits(pixels), one.logits(numbers))


def test_layers_fed_with_the_frameworks_input_give_its_output(instruction_set, case):
    """Not one sum differs, and so no sign; the rest is within 2e-5 of the largest value."""
    for name, cell in case.layers.items():
        own = {part: case.tensors[f"{name}.{part}"] for part in TENSORS}
        raw = {**own, "factor": np.ones_like(own["factor"]), "offset": np.zeros_like(own["factor"])}
        raw |= {"slope": np.ones_like(own["factor"]), "shift_out": np.zeros_like(own["factor"])}
        given, output = case.maps[name]
        sums = case.sums[name]
        around = shortcut(given, output.shape[-1])
        for wanted, values, beside in ((sums, raw, np.zeros_like(output)), (output, own, around)):
            if len(own["weight"]) in (7, 14) and cell.fc.weight.shape[2:] != (1, 1):
                axis = "height" if cell.fc.weight.shape[2] > 1 else "width"
                got = local_layer(instruction_set, values, axis, given, beside)
            else:
                flat = (array.reshape(-1, array.shape[-1]) for array in (given, beside))
                got = channel_layer(instruction_set, values, *flat).reshape(wanted.shape)
            tolerance = 0 if wanted is sums else 2e-5 * max(1.0, np.abs(output).max())
            np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance, err_msg=name)


def test_every_sign_of_a_run_is_the_frameworks(instruction_set, case, engine):
    """Within a whole run rounding may turn a sign that is close to its threshold: at most 2 in 1,000 here."""
    bits, logits = trace(engine(case.path), case.images[0])
    assert len(bits) == len(case.layers)
    for name, got in zip(sorted(case.layers, key=place_in_file), bits):
        wanted = case.signs[name][1].reshape(-1, got.shape[1]) > 0
        assert got.shape == wanted.shape, name
        assert (got != wanted).mean() <= 0.002, name
    np.testing.assert_allclose(logits, case.logits, rtol=0, atol=0.05 * np.abs(logits).max())


def place_in_file(name):
    """FORMAT.md's order: blocks, then in a block block1 with height before width, the FCs of an MLP in turn."""
    parts = ("block1", "block2", "height", "width", "channel", "reweight", "projection")
    parts += ("phase_fc", "amplitude_fc", "mix_fc", "fc1", "fc2")
    return [int(part) if part.isdigit() else parts.index(part) for part in name.split(".")[1:]]


# --- bad input ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_an_error(packed, engine, value):
    x = images(2, 32)
    x[1, 2, 31, 31] = value
    with pytest.raises(InputError, match="image 1: expected finite numbers, got"):
        engine(packed()[-1]).logits(x)


@pytest.mark.parametrize("shape,kind", [((1, 3, 31, 32), np.float32), ((3, 32, 32), np.float32), ((1, 3, 32, 32), np.uint8),
                                        ((1, 3, 32, 32), np.float64), ((1, 32, 32, 3), np.float32)])  # fmt: skip
def test_images_of_another_shape_or_type_are_refused(packed, engine, shape, kind):
    with pytest.raises(
        InputError, match=r"images: expected uint8 \(B, 32, 32, 3\) or float32 \(B, 3, 32, 32\), got"
    ):
        engine(packed()[-1]).logits(np.zeros(shape, kind))


def test_no_images_give_no_logits(packed, engine):
    assert engine(packed()[-1], 2).logits(np.zeros((0, 3, 32, 32), np.float32)).shape == (0, 3)


def test_a_closed_engine_says_so(packed, engine):
    one = engine(packed()[-1])
    one.close()
    one.close()
    with pytest.raises(InputError, match="it is closed"):
        one.logits(images(1, 32))


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_are_1_to_256(packed, engine, threads):
    with pytest.raises(InputError, match=f"threads: expected 1 to 256, got {threads}"):
        engine(packed()[-1], threads)


def test_an_instruction_set_is_never_replaced_in_silence(packed, engine, monkeypatch):
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", "altivec")
    with pytest.raises(InputError, match="expected one of avx512, avx2, scalar, got altivec"):
        engine(packed()[-1])
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", "scalar")
    assert engine(packed()[-1]).description["instruction_set"] == "scalar"


def test_an_engine_describes_itself(packed, engine):
    _, description, _, path = packed()
    found = engine(path).description
    for key in ("variant", "image_size", "resize", "classes"):
        assert found[key] == getattr(description, key)
    for key in ("widths", "depths", "branches", "mean", "std", "class_names"):
        assert tuple(found[key]) == getattr(description, key)
