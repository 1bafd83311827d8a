"""An engine in a program with threads and forks: turns, closing, copies, and what a forked process finds."""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from scripts.fuzz_seeds import packed as seed
from src.common.errors import InputError
from src.engine import Engine
from src.engine.inspect import trace
from src.engine.library import library
from tests.engine.conftest import images

ROOT = Path(__file__).resolve().parents[2]
# a process without the framework: what a test would otherwise hang in, or crash, is this one
BEGIN = """
import ctypes, gc, os, signal, sys, threading
import numpy as np
from src.engine import Engine
from src.engine.inspect import TRACE
from src.engine.library import library

signal.alarm(15)
engine = Engine.load(sys.argv[1], threads=int(sys.argv[2]))
size = engine.description["image_size"]
pixels = np.random.default_rng(0).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
number = np.random.default_rng(1).normal(size=(3, size, size)).astype(np.float32)
expected, expected_of_number = engine.logits(pixels), engine.logits(number[None])[0]
entered, go = threading.Event(), threading.Event()
found = np.zeros(engine.description["classes"], np.float32)

@TRACE
def hold(*_):  # the call that is traced stays inside until it may go
    entered.set()
    go.wait()

def call(handle=engine.handle):
    numbers = ctypes.POINTER(ctypes.c_float)
    library().bimlp_trace(handle, number.ctypes.data_as(numbers), hold, None, found.ctypes.data_as(numbers))

def same(engine):
    assert np.array_equal(engine.logits(pixels), expected)

def child(work):
    # the code with which a forked process ends that does `work`
    process = os.fork()
    if not process:
        signal.alarm(10)
        try:
            work()
            gc.collect()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return os.waitpid(process, 0)[1]
"""


@pytest.fixture
def run(tmp_path):
    """run(code, threads): does `code` behind BEGIN in a process of its own, which must end well."""
    library()  # compiled before the clock runs
    model = tmp_path / "model.packed"
    model.write_bytes(seed("small"))

    def run(code, threads):
        command = [sys.executable, "-c", BEGIN + code, model, str(threads)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    return run


@pytest.mark.parametrize("threads", [1, 2])
def test_each_of_several_threads_gets_its_own_logits(run, threads):
    run(
        """
from concurrent.futures import ThreadPoolExecutor
def work(i):  # long enough for others to begin meanwhile
    return engine.logits(np.roll(np.tile(pixels, (100, 1, 1, 1)), i, axis=0))
with ThreadPoolExecutor(4) as pool:
    several = list(pool.map(work, range(20)))
for i, logits in enumerate(several):
    assert np.array_equal(logits, np.roll(np.tile(expected, (100, 1)), i, axis=0))
""",
        threads,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_close_waits_for_the_calls_under_way(run, threads):
    run(
        """
caller, waiting = threading.Thread(target=call), []
caller.start()
entered.wait()
second = threading.Thread(target=lambda: waiting.append(engine.logits(pixels)))
second.start()
second.join(0.2)  # by now it waits for its turn
closer = threading.Thread(target=engine.close)
closer.start()
closer.join(0.2)
assert closer.is_alive() and second.is_alive()
go.set()
for thread in (caller, second, closer):
    thread.join()
assert np.array_equal(found, expected_of_number) and np.array_equal(waiting[0], expected)
""",
        threads,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_process_uses_the_engine_and_so_does_its_own_child(run, threads):
    run(
        """
def work():
    same(engine)
    assert child(lambda: (same(engine), engine.close())) == 0
    same(engine)
assert child(work) == 0
same(engine)
""",
        threads,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_that_forks_while_a_thread_is_in_a_call(run, threads):
    run(
        """
caller = threading.Thread(target=call)
caller.start()
entered.wait()
assert child(lambda: same(engine)) == 0
assert child(lambda: (engine.close(), same(Engine.load(sys.argv[1], 2)))) == 0
assert caller.is_alive()
go.set()
caller.join()
assert np.array_equal(found, expected_of_number)
same(engine)
""",
        threads,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_several_threads_of_a_forked_process_begin_at_once(run, threads):
    run(
        """
def work():
    several = [threading.Thread(target=same, args=(engine,)) for _ in range(4)]
    raised = []
    threading.excepthook = raised.append
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    assert not raised
assert child(work) == 0
""",
        threads,
    )


def test_a_forked_process_closes_its_copy_or_leaves_it(run):
    run(
        """
assert child(engine.close) == 0
def work():
    global engine, call
    del engine, call
assert child(work) == 0
same(engine)
""",
        2,
    )


def test_an_engine_that_is_closed_says_so_to_everyone(packed, engine):
    one = engine(packed()[-1])
    one.close()
    for use in (lambda: one.profile(images(1, 32)), lambda: trace(one, images(1, 32)[0])):
        with pytest.raises(InputError, match="engine: it is closed"):
            use()


def test_profile_and_trace_refuse_images_of_another_shape_or_type(packed, engine):
    one = engine(packed()[-1])
    said = r"images: expected float32 \(B, 3, 32, 32\), got"
    for wrong in (images(1, 31), images(1, 32).astype(np.float64), np.zeros((1, 32, 32, 3), np.uint8)):
        with pytest.raises(InputError, match=said):
            one.profile(wrong)
        with pytest.raises(InputError, match=said):
            trace(one, wrong[0])


@pytest.mark.parametrize("act", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda act: act.__name__)
def test_an_engine_is_not_copied(packed, engine, act):
    one = engine(packed()[-1])
    with pytest.raises(InputError, match="engine: it cannot be copied .*; open the file in each process"):
        act(one)
    assert one.logits(images(1, 32)).shape == (1, 3)


def test_an_engine_is_not_sent_to_a_process_that_is_started_anew(packed, engine):
    one = engine(packed()[-1])
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(InputError, match="open the file in each process"),
    ):
        pool.submit(one.logits, images(1, 32)).result()


def test_an_engine_that_was_never_made_goes_in_silence(monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    with pytest.raises(TypeError):
        Engine()
    Engine.__new__(Engine)
    assert not raised
