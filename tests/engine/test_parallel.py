"""Runs on the host program's threads: the same bits, the same errors, and nothing of theirs in a forked process."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from src.common.errors import InputError
from src.engine.engine import check
from src.engine.library import library
from tests.engine.left_out import skip_emulated
from tests.graph.networks import images

ITEM = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)
LOOP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ITEM, ctypes.c_void_p)


def backwards(items, item):
    for i in reversed(range(items)):
        item(i)


def on_threads(items, item):
    with ThreadPoolExecutor(items) as pool:
        list(pool.map(item, range(items)))


@pytest.fixture
def host(engine, packed):
    """host(loop, threads): an engine whose runs are shared by loop(items, item), and the list of its numbers of items."""
    skip_emulated("the loop is in this process")
    kept = []

    def make(loop, threads):
        items = []

        def call(_, count, item, context):
            items.append(count)
            loop(count, lambda i: item(context, i))

        kept.append(LOOP(call))
        one = engine(packed().path, threads)
        check(library().bimlp_set_parallel(one.handle, kept[-1], None))
        return one, items

    return make


@pytest.mark.parametrize("threads", [1, 2, 3, 40])
@pytest.mark.parametrize("loop", [backwards, on_threads])
def test_the_hosts_threads_compute_the_same_bits(loop, threads, instruction_set, plan, host, engine, packed):
    one, items = host(loop, threads)
    own = engine(packed().path)
    for count in (1, 5):
        given = images(count, 32)
        np.testing.assert_array_equal(one.logits(given), own.logits(given))
    assert set(items) == {threads} and len(items) > 4
    check(library().bimlp_set_parallel(one.handle, None, None))
    done = len(items)
    np.testing.assert_array_equal(one.logits(given), own.logits(given))
    assert len(items) == done


@pytest.mark.parametrize("loop", [backwards, on_threads])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_numbers_that_are_not_finite_are_seen_on_the_hosts_threads(count, loop, host):
    one, _ = host(loop, 3)
    given = images(count, 32)
    expected = one.logits(given)
    for number in {0, count - 1}:
        for row in range(32):
            huge = given.copy()
            huge[number, 0, row, 7] = 3.3e38
            with pytest.raises(InputError, match=f"image {number}: the network's logits are not finite"):
                one.logits(huge)
    np.testing.assert_array_equal(one.logits(given), expected)


def test_no_engine_is_one_error():
    with pytest.raises(InputError, match="engine: expected a pointer, got null"):
        check(library().bimlp_set_parallel(None, None, None))
