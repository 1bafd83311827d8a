"""The comparison: what it accepts, what it refuses, and that a refused file leaves nothing."""

import numpy as np
import pytest
from mindspore import nn

from src.common.errors import InputError
from src.deploy import export as exporting
from src.deploy import export_network
from src.deploy.compare import TOLERANCE, Comparison, compare, compare_in_parts, largest, random_batches
from src.deploy.mindir_file import write_mindir
from src.deploy.onnx_file import load_onnx_in_parts, write_onnx
from src.deploy.onnx_ops import Cut
from tests.deploy.fed import feeding

LOGITS = [np.zeros((2, 3), np.float32)]
BATCHES = [np.zeros((2, 3, 4, 4), np.float32)]
SIGN, PHASE = Cut("s", "s", "v", "Greater"), Cut("p", "p", "p", "Phase")


def array(*values):
    return np.array(values, np.float32)


# --- the measure ---


def test_images_are_seeded_and_in_the_range_of_normalised_ones():
    one, three = random_batches(None, 16)
    assert (one.shape, three.shape) == ((1, 3, 16, 16), (3, 3, 16, 16))
    (again,) = random_batches(1, 16)
    np.testing.assert_array_equal(one, again)
    assert one.dtype == np.float32 and three.min() < -0.99 and three.max() > 0.99 and np.abs(three).max() <= 1


def test_the_largest_difference_counts_everywhere():
    assert largest(array(1, -3, 2)) == 3
    assert largest(array()) == 0
    assert largest(array(1, np.nan)) == float("inf")


@pytest.mark.parametrize(("error", "agrees"), [(0, True), (0.9 * TOLERANCE, True), (1.1 * TOLERANCE, False)])
def test_logits_may_differ_by_the_tolerance(error, agrees):
    wrong = LOGITS[0].copy()
    wrong[1, 2] = -error
    assert compare(lambda images: wrong, BATCHES, LOGITS).agrees is agrees


def test_not_a_number_does_not_agree():
    assert not compare(lambda images: LOGITS[0] + np.nan, BATCHES, LOGITS).agrees
    assert not Comparison(float("nan"), 0.0).agrees


def in_parts(results, values, given=0.0, own=0.0):
    """A comparison of one sign and one phase: the network's results, the file's values, both logits."""

    def run(images, passed):
        for array_passed, result in zip(passed, results):
            np.testing.assert_array_equal(array_passed, result)
        return LOGITS[0] + np.float32(given), values

    return compare_in_parts(
        run, lambda images: (LOGITS[0] + np.float32(own), *results), (SIGN, PHASE), BATCHES, LOGITS, 0.5
    )


PHASES = array(30, -40)


def test_a_sign_may_turn_close_to_its_threshold():
    result = in_parts((np.array([True, False, True]), PHASES), [array(1, -1, -1e-6), PHASES])
    assert result.agrees
    assert (result.signs, result.turned, result.end_to_end) == (3, 1, 0.5)
    assert result.margin == pytest.approx(1e-6)
    assert "1 of 3 signs fall otherwise" in str(result) and "0.5 end to end" in str(result)


def test_a_sign_may_not_turn_far_from_its_threshold():
    assert not in_parts((np.array([True, False, False]), PHASES), [array(0.5, -1, 2e-4), PHASES]).agrees


def test_margins_are_relative_to_large_values():
    assert in_parts((np.array([True, False, False]), PHASES), [array(100, -1, 2e-4), PHASES]).agrees


def test_zero_is_no_positive_sign():
    assert in_parts((np.array([False]), PHASES), [array(0), PHASES]).turned == 0
    assert in_parts((np.array([True]), PHASES), [array(0), PHASES]).turned == 1


@pytest.mark.parametrize(("off", "agrees"), [(0.003, True), (0.005, False)])  # 40 * TOLERANCE = 0.004
def test_phases_may_be_off_by_the_tolerance_times_the_largest(off, agrees):
    assert in_parts((np.array([True]), PHASES), [array(1), PHASES + array(0, off)]).agrees is agrees


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_at_the_cuts_that_are_not_finite_do_not_agree(value):
    assert not in_parts((np.array([True]), PHASES), [array(1), array(30, value)]).agrees
    for result in (True, False):
        assert not in_parts((np.array([result]), PHASES), [array(value), PHASES]).agrees


@pytest.mark.parametrize("which", ["given", "own"])
def test_the_logits_of_the_parts_count(which):
    exact = ((np.array([True]), PHASES), [array(1), PHASES])
    assert in_parts(*exact).agrees
    assert not in_parts(*exact, **{which: 2 * TOLERANCE}).agrees
    assert not in_parts(*exact, **{which: np.nan}).agrees


# --- in an export ---


class Small(nn.Cell):
    """Logits by one layer."""

    def __init__(self):
        super().__init__()
        self.flatten, self.head = nn.Flatten(), nn.Dense(3 * 4 * 4, 5)

    def construct(self, x):
        return self.head(self.flatten(x))


class Waves(Small):
    """Signs and phases before the layer."""

    def construct(self, x):
        x = x * 3
        return self.head(self.flatten((x * 1000).cos() + (x > 0).astype(x.dtype)))


LOADERS = {"MINDIR": "load_mindir", "ONNX": "load_onnx"}


@pytest.mark.parametrize("file_format", LOADERS)
def test_a_file_that_differs_is_not_written(file_format, tmp_path, monkeypatch):
    path = tmp_path / f"small.{file_format.lower()}"
    path.write_bytes(b"an older file")
    load = getattr(exporting, LOADERS[file_format])
    monkeypatch.setattr(
        exporting, LOADERS[file_format], lambda path: lambda x: load(path)(x) + np.float32(2e-4)
    )
    with pytest.raises(
        InputError, match=r"not written: expected logits within 0\.0001 .* a difference of 0\.0002"
    ):
        export_network(Small(), file_format, 1, feeding(4), path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"an older file"


def test_a_file_that_agrees_takes_the_place_of_an_older_one(tmp_path):
    path = tmp_path / "small.mindir"
    path.write_bytes(b"an older file")
    assert export_network(Small(), "MINDIR", 2, feeding(4), path).size == path.stat().st_size > 100


@pytest.mark.parametrize(("error", "written"), [(0, True), (2e-4, False)])
def test_a_network_that_magnifies_rounding_is_compared_in_parts(error, written, tmp_path, monkeypatch):
    """The plain comparison is made to fail; the parts agree, unless they are made to differ as well."""
    load = exporting.load_onnx_in_parts

    def differing(path, cuts):
        assert sorted(cut.op for cut in cuts) == ["Greater", "Phase"]
        run = load(path, cuts)

        def changed(images, given):
            logits, values = run(images, given)
            return logits + np.float32(error), values

        return changed

    monkeypatch.setattr(exporting, "load_onnx", lambda path: lambda x: np.full((len(x), 5), 7, np.float32))
    monkeypatch.setattr(exporting, "load_onnx_in_parts", differing)
    if written:
        comparison = export_network(Waves(), "ONNX", None, feeding(4), tmp_path / "waves.onnx").comparison
        assert comparison.in_parts and comparison.signs == (1 + 3) * 3 * 4 * 4 and comparison.end_to_end > 1
    else:
        with pytest.raises(InputError, match="not written"):
            export_network(Waves(), "ONNX", None, feeding(4), tmp_path / "waves.onnx")
    assert len(list(tmp_path.iterdir())) == written


def test_parts_compute_with_what_they_are_given(tmp_path, logits):
    """logits = head(cos(phase) + sign), whatever the file's own phase and sign."""
    network = Waves()
    write_mindir(network, None, 4, tmp_path / "waves.mindir")
    cuts = write_onnx(tmp_path / "waves.mindir", tmp_path / "waves.onnx")
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 4)).astype(np.float32)
    given = {"Phase": np.full_like(x, np.pi), "Greater": x < 0}
    expected = logits(network.head, (given["Greater"] - np.ones_like(x)).reshape(2, -1))
    got, values = load_onnx_in_parts(tmp_path / "waves.onnx", cuts)(x, [given[cut.op] for cut in cuts])
    np.testing.assert_allclose(got, expected, atol=1e-6)
    own = dict(zip([cut.op for cut in cuts], values))
    np.testing.assert_allclose(own["Phase"], x * 3000, rtol=1e-6)
    np.testing.assert_allclose(own["Greater"], x * 3, rtol=1e-6)


def test_images_that_the_network_does_not_take_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"data\.image_size: Small cannot compute images of 5 x 5 here: For"):
        export_network(Small(), "MINDIR", 1, feeding(5), tmp_path / "small.mindir")
    assert list(tmp_path.iterdir()) == []
