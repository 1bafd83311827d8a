"""Layout of boxes and lines: nothing overlaps, and every line leads from its box to a reader."""

import numpy as np
import pytest

from src.graph.layout import layout, spread


def test_places_that_are_too_near_are_spread_around_their_mean():
    assert spread([0, 0], [1, 1], [2]) == [-1, 1]
    assert spread([0, 0], [1, 3], [4]) == [-3, 1]
    assert spread([5, 0, 9], [1, 1, 1], [1, 1]) == [2, 3, 9]
    assert spread([3], [1], []) == [3]


def test_places_are_the_nearest_that_keep_their_distance():
    """No small step that keeps the distances brings them nearer."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = rng.integers(2, 7)
        wishes, weights, distances = rng.normal(0, 3, n), rng.uniform(0.1, 5, n), rng.uniform(0, 2, n - 1)
        x = np.array(spread(wishes, weights, distances))
        assert (np.diff(x) >= distances - 1e-9).all()
        least = (weights * (x - wishes) ** 2).sum()
        for _ in range(100):
            other = x + rng.normal(0, 0.05, n)
            if (np.diff(other) >= distances).all():
                assert (weights * (other - wishes) ** 2).sum() >= least - 1e-9


def random_network(seed):
    """(sizes, sources) of boxes, most of which read the one before."""
    rng = np.random.default_rng(seed)
    sizes, sources = [], []
    for i in range(rng.integers(2, 30)):
        sizes.append((float(rng.uniform(40, 160)), float(rng.uniform(20, 80))))
        near = range(max(i - 6, 0), i)
        count = min(len(near), rng.integers(1, 4))
        sources.append(tuple(int(each) for each in rng.choice(near, count, replace=False)) if i else ())
    return sizes, sources


@pytest.fixture(params=range(25))
def drawn(request):
    """(sizes, sources, Layout)."""
    sizes, sources = random_network(request.param)
    return sizes, sources, layout(sizes, sources)


def corners(sizes, found):
    """(left, top, right, bottom) of each box."""
    return [(x - w / 2, y, x + w / 2, y + h) for (w, h), (x, y) in zip(sizes, found.places)]


def test_boxes_lie_apart_below_what_they_read_and_within_the_picture(drawn):
    sizes, sources, found = drawn
    boxes = corners(sizes, found)
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left > -1e-6 and top > -1e-6 and right < found.width + 1e-6 and bottom < found.height + 1e-6
        for a, b, c, d in boxes[:i]:
            assert right <= a or c <= left or bottom <= b or d <= top
        assert all(boxes[source][3] < top for source in sources[i])


def test_every_line_ends_at_an_arrow_into_its_reader(drawn):
    sizes, sources, found = drawn
    boxes = corners(sizes, found)
    for reader, read in enumerate(sources):
        ends = [points[-1] for points, box in found.lines if box == reader]
        assert len(ends) == len(read)
        left, top, right, _ = boxes[reader]
        assert all(left < x < right and y == pytest.approx(top) for x, y in ends)
        xs = sorted(x for x, _ in ends)
        assert all(b - a > 12 for a, b in zip(xs, xs[1:]))


def test_every_line_can_be_followed_to_the_box_that_it_comes_from(drawn):
    sizes, sources, found = drawn
    begins = {points[-1]: points[0] for points, box in found.lines if box is None}
    for reader, read in enumerate(sources):
        origins = set()
        for points, box in found.lines:
            if box == reader:
                begin = points[0]
                while begin in begins:
                    begin = begins[begin]
                origins.add(begin)
        assert len(origins) == len(read)
        for source in read:
            (x, y), (_, height) = found.places[source], sizes[source]
            assert any(a == x and b == pytest.approx(y + height) for a, b in origins)


def test_lines_are_level_or_upright_and_cross_no_box(drawn):
    sizes, _, found = drawn
    for points, _ in found.lines:
        for (a, b), (x, y) in zip(points, points[1:]):
            assert a == x or b == y
            for left, top, right, bottom in corners(sizes, found):
                inside_x = left + 1e-6 < max(a, x) and min(a, x) < right - 1e-6
                inside_y = top + 1e-6 < max(b, y) and min(b, y) < bottom - 1e-6
                assert not (inside_x and inside_y)


def test_a_chain_is_one_column_and_its_shortcut_one_upright_line():
    found = layout([(60, 20)] * 5, [(), (0,), (1,), (2,), (3, 0)])
    xs = [x for x, _ in found.places[1:4]]
    assert xs == pytest.approx([xs[0]] * 3)
    lanes = {x for points, box in found.lines if box is None for x, _ in points[-1:]}
    assert len(lanes) == 1 and abs(lanes.pop() - xs[0]) > 30


def test_lines_from_different_boxes_hardly_ever_lie_on_one_another():
    overlaps = lines = 0
    for seed in range(25):
        found = layout(*random_network(seed))
        upright = [
            (a, *sorted((b, y)), points[0])
            for points, _ in found.lines
            for (a, b), (x, y) in zip(points, points[1:])
            if a == x
        ]
        lines += len(upright)
        for i, (x, top, bottom, begin) in enumerate(upright):
            for other, above, below, start in upright[:i]:
                overlaps += start != begin and abs(x - other) < 3 and min(bottom, below) > max(top, above) + 1
    assert overlaps <= 2 and lines > 1000
