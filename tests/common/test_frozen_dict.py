"""A dict that does not change: equal to a dict of the same items, hashed by them."""

import json

import pytest

from src.common.frozen_dict import FrozenDict


def test_equal_items_are_equal_and_hash_alike_in_any_order():
    a, b = FrozenDict({"x": 1, "y": [2, [3]]}), FrozenDict({"y": [2, [3]], "x": 1})
    assert a == b and hash(a) == hash(b) and a["y"] == (2, (3,))
    assert json.loads(json.dumps(a)) == {"x": 1, "y": [2, [3]]}


@pytest.mark.parametrize(
    "change",
    [lambda d: d.update(x=2), lambda d: d.pop("x"), lambda d: d.__setitem__("z", 1), lambda d: d.clear()],
)
def test_it_refuses_changes(change):
    values = FrozenDict({"x": 1})
    with pytest.raises(TypeError, match="expected no change of {'x': 1}"):
        change(values)
    assert values == {"x": 1}
