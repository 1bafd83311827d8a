"""The comparison: what it accepts, what it refuses, and that a refused file leaves nothing."""

from dataclasses import replace

import numpy as np
import pytest
from mindspore import nn

from src.common.errors import InputError
from src.deploy import export as exporting
from src.deploy import export_network, graph_export
from src.deploy.compare import TOLERANCE, Comparison, compare, compare_in_parts, largest, random_batches
from src.deploy.cuts import Cut, cuts_of, with_sources
from src.graph.observe import observe, observed
from src.graph.simplify import simplify
from src.graph.tracer import trace_calls
from tests.deploy.fed import feeding

LOGITS = [np.zeros((2, 3), np.float32)]
BATCHES = [np.zeros((2, 3, 4, 4), np.float32)]
ABOVE_ZERO = {"levels": (-1, 1), "threshold": np.zeros(1, np.float32)}
SIGN, PHASE = Cut(1, "s", (ABOVE_ZERO,)), Cut(2, "p", ())


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


def in_parts(own, values=None, given=0.0, network=0.0):
    """A comparison at one sign and one phase: the file's values, the network's, both logits."""
    values = (SIGNS, PHASES) if values is None else values

    def run(images, passed):
        for array_passed, value in zip(passed, values):
            np.testing.assert_array_equal(array_passed, value)
        return LOGITS[0] + np.float32(given), own

    return compare_in_parts(
        run, lambda images: (LOGITS[0] + np.float32(network), values), (SIGN, PHASE), BATCHES, LOGITS, 0.5
    )


SIGNS, PHASES = array(1, -1, 1e-6), array(30, -40)


def test_a_sign_may_turn_close_to_its_threshold():
    result = in_parts([array(1, -1, -1e-6), PHASES])
    assert result.agrees
    assert (result.signs, result.turned, result.end_to_end) == (3, 1, 0.5)
    assert result.margin == pytest.approx(2e-6)
    assert "1 of 3 signs fall otherwise" in str(result) and "0.5 end to end" in str(result)


def test_a_value_of_a_sign_may_not_be_far_from_the_networks():
    assert in_parts([array(1, -1 + 0.9 * TOLERANCE, 0), PHASES]).agrees
    result = in_parts([array(1, -1 + 1.1 * TOLERANCE, 1e-6), PHASES])
    assert not result.agrees and result.turned == 0


def test_margins_are_relative_to_large_values():
    large = (array(100, -1, 1), PHASES)
    assert in_parts([array(100, -1, 1 + 2e-4), PHASES], large).agrees
    assert not in_parts([array(100, -1, 1 + 2e-2), PHASES], large).agrees


def test_zero_is_no_positive_sign():
    assert in_parts([array(0), PHASES], (array(0), PHASES)).turned == 0
    assert in_parts([array(0), PHASES], (array(1e-9), PHASES)).turned == 1


@pytest.mark.parametrize(("off", "agrees"), [(0.003, True), (0.005, False)])  # 40 * TOLERANCE = 0.004
def test_phases_may_be_off_by_the_tolerance_times_the_largest(off, agrees):
    assert in_parts([SIGNS, PHASES + array(0, off)]).agrees is agrees


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_at_the_cuts_that_are_not_finite_do_not_agree(value):
    assert not in_parts([SIGNS, array(30, value)]).agrees
    assert not in_parts([array(value), PHASES], (array(value), PHASES)).agrees


@pytest.mark.parametrize("which", ["given", "network"])
def test_the_logits_of_the_parts_count(which):
    assert in_parts([SIGNS, PHASES]).agrees
    assert not in_parts([SIGNS, PHASES], **{which: 2 * TOLERANCE}).agrees
    assert not in_parts([SIGNS, PHASES], **{which: np.nan}).agrees


# --- in an export ---


class Small(nn.Cell):
    """Logits by one layer."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 5, 4, pad_mode="valid")

    def construct(self, x):
        return self.head(x).reshape(-1, 5)


class Cosine(nn.Cell):
    """Cosine of a phase."""

    def construct(self, x):
        return x.cos()

    def lower(self, graph, x):
        return graph.add("unary", x, function="cos")


class Above(nn.Cell):
    """1 above 0, else 0."""

    def construct(self, x):
        return (x > 0).astype(x.dtype)

    def lower(self, graph, x):
        return graph.add("binarize", x, levels=(0, 1), threshold=[0])


class Waves(Small):
    """Signs and phases before the layer."""

    def __init__(self):
        super().__init__()
        self.cosine, self.above = Cosine(), Above()

    def construct(self, x):
        x = x * 3
        return self.head(self.cosine(x * 1000) + self.above(x)).reshape(-1, 5)


def changed(monkeypatch, file_format, **functions):
    """Put other functions into the format's row."""
    form = replace(graph_export.FORMATS[file_format], **functions)
    monkeypatch.setitem(graph_export.FORMATS, file_format, form)


FORMATS = list(graph_export.FORMATS)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_that_differs_is_not_written(file_format, tmp_path, monkeypatch):
    load = graph_export.FORMATS[file_format].load
    changed(monkeypatch, file_format, load=lambda path: lambda x: load(path)(x) + np.float32(2e-4))
    refuses(file_format, "graph", tmp_path)


def test_a_file_by_the_framework_that_differs_is_not_written(tmp_path, monkeypatch):
    load = exporting.load_mindir
    monkeypatch.setattr(exporting, "load_mindir", lambda path: lambda x: load(path)(x) + np.float32(2e-4))
    refuses("MINDIR", "framework", tmp_path)


def refuses(file_format, writer, folder):
    """Leaves an older file as it is."""
    path = folder / f"small.{file_format.lower()}"
    path.write_bytes(b"an older file")
    with pytest.raises(
        InputError, match=r"not written: expected logits within 0\.0001 .* a difference of 0\.0002"
    ):
        export_network(Small(), file_format, 1, feeding(4), path, writer)
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == b"an older file"


def test_a_file_that_agrees_takes_the_place_of_an_older_one(tmp_path):
    path = tmp_path / "small.mindir"
    path.write_bytes(b"an older file")
    assert (
        export_network(Small(), "MINDIR", 2, feeding(4), path, "framework").size == path.stat().st_size > 100
    )


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(("error", "written"), [(0, True), (2e-4, False)])
def test_a_network_that_magnifies_rounding_is_compared_in_parts(
    error, written, file_format, tmp_path, monkeypatch
):
    """The plain comparison is made to fail; the parts agree, unless they are made to differ as well."""
    load = graph_export.FORMATS[file_format].load_in_parts

    def differing(path, names):
        run = load(path, names)

        def with_error(images, given):
            logits, values = run(images, given)
            return logits + np.float32(error), values

        return with_error

    def wrong(path):
        return lambda x: np.full((len(x), 5), 7, np.float32)

    changed(monkeypatch, file_format, load=wrong, load_in_parts=differing)
    path = tmp_path / f"waves.{file_format.lower()}"
    if written:
        comparison = export_network(Waves(), file_format, None, feeding(4), path).comparison
        assert comparison.in_parts and comparison.signs == (1 + 3) * 3 * 4 * 4 and comparison.end_to_end > 1
    else:
        with pytest.raises(InputError, match="not written"):
            export_network(Waves(), file_format, None, feeding(4), path)
    assert len(list(tmp_path.iterdir())) == written


@pytest.mark.parametrize("file_format", FORMATS)
def test_parts_compute_with_what_they_are_given(file_format, tmp_path, logits):
    """logits = head(cos(phase) + sign), whatever the file's own phase and sign."""
    network, path, form = (
        Waves(),
        tmp_path / f"waves.{file_format.lower()}",
        graph_export.FORMATS[file_format],
    )
    graph, calls = trace_calls(network, 4)
    graph = simplify(with_sources(graph))
    cuts = cuts_of(graph, form.write(graph, None, path), observed(calls))
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 4)).astype(np.float32)
    expected, values = observe(network, x, calls, [cut.value for cut in cuts])
    np.testing.assert_array_equal(expected, logits(network, x))
    phase, sign = (0, 1) if not cuts[0].binarizations else (1, 0)
    np.testing.assert_allclose(values[phase], x * 3000, rtol=1e-6)
    np.testing.assert_allclose(values[sign], x * 3, rtol=1e-6)
    given = [np.full_like(x, np.pi), np.full_like(x, np.pi)]
    given[sign] = -x
    expected = logits(network.head, (x < 0) - np.ones_like(x)).reshape(2, -1)
    got, own = form.load_in_parts(path, [cut.name for cut in cuts])(x, given)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(own[phase], x * 3000, rtol=1e-6)
    np.testing.assert_allclose(own[sign], x * 3, rtol=1e-6)


def test_images_that_the_network_does_not_take_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"data\.image_size: Small cannot compute images of 3 x 3 here: For"):
        export_network(Small(), "MINDIR", 1, feeding(3), tmp_path / "small.mindir")
    assert list(tmp_path.iterdir()) == []
