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

from src.common.errors import InputError
from src.engine import Engine
from src.engine.library import library
from tests.engine.left_out import skip_emulated
from tests.graph.networks import images

ROOT = Path(__file__).resolve().parents[2]
# a process without the framework: what a test would otherwise hang in, or crash, is this one
BEGIN = """
import ctypes, gc, os, signal, sys, threading, time
import numpy as np
from src.engine import Engine
from src.engine.library import library

signal.alarm(60)
engine = Engine.load(sys.argv[1], threads=int(sys.argv[2]))
size, classes = (engine.description[key] for key in ("image_size", "classes"))
pixels = np.random.default_rng(0).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
expected = engine.logits(pixels)
many, found = np.tile(pixels, (2000, 1, 1, 1)), np.full((10000, classes), np.nan, np.float32)
entered, go = threading.Event(), threading.Event()

@ctypes.CFUNCTYPE(None, ctypes.c_int)
def hold(_):  # handler of a signal, which holds the thread that it interrupts until it may go
    entered.set()
    go.wait()

def call(handle=engine.handle):
    images, logits = (array.ctypes.data_as(ctypes.POINTER(kind))
                      for array, kind in ((many, ctypes.c_uint8), (found, ctypes.c_float)))
    library().bimlp_run_pixels(handle, images, len(many), logits)

def enter():
    # a thread that stays inside of a call until it may go
    ctypes.CDLL(None).signal(signal.SIGUSR1, hold)
    caller = threading.Thread(target=call)
    caller.start()
    while np.isnan(found[0, 0]):  # the call has not begun
        time.sleep(0.0005)
    signal.pthread_kill(caller.ident, signal.SIGUSR1)
    entered.wait()
    assert np.isnan(found[-1, 0])  # nor has it ended
    return caller

def good():
    return np.array_equal(found, np.tile(expected, (2000, 1)))

def same(engine):
    assert np.array_equal(engine.logits(pixels), expected)

def child(work):
    # the code with which a forked process ends that does `work`
    process = os.fork()
    if not process:
        signal.alarm(50)
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
def run(packed):
    """run(code, threads): does `code` behind BEGIN in a process of its own, which must end well."""
    skip_emulated("a process that forks cannot load the engine")
    library()  # compiled before the clock runs

    def run(code, threads):
        command = [sys.executable, "-c", BEGIN + code, packed(size=16).path, str(threads)]
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
caller, waiting = enter(), []
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
assert good() and np.array_equal(waiting[0], expected)
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
caller = enter()
assert child(lambda: same(engine)) == 0
assert child(lambda: (engine.close(), same(Engine.load(sys.argv[1], 2)))) == 0
assert caller.is_alive()
go.set()
caller.join()
assert good()
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


def test_a_forked_process_does_without_the_hosts_threads(run):
    run(
        """
from src.engine.engine import check
asked = []
@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int), ctypes.c_void_p)
def loop(_, items, item, context):
    asked.append(os.getpid())
    for i in range(items):
        item(context, i)
check(library().bimlp_set_parallel(engine.handle, loop, None))
same(engine)
def work():
    before = len(asked)
    same(engine)
    assert len(asked) == before
    check(library().bimlp_set_parallel(engine.handle, loop, None))
    same(engine)
    assert len(asked) > before
assert child(work) == 0
assert set(asked) == {os.getpid()}
""",
        2,
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
    one = engine(packed().path)
    one.close()
    for use in (one.logits, one.profile):
        with pytest.raises(InputError, match="engine: it is closed"):
            use(images(1, 32))


def test_profile_refuses_images_of_another_shape_or_type(packed, engine):
    one = engine(packed().path)
    said = r"images: expected float32 \(B, 3, 32, 32\), got"
    for wrong in (images(1, 31), images(1, 32).astype(np.float64), np.zeros((1, 32, 32, 3), np.uint8)):
        with pytest.raises(InputError, match=said):
            one.profile(wrong)


@pytest.mark.parametrize("act", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda act: act.__name__)
def test_an_engine_is_not_copied(packed, engine, act):
    one = engine(packed().path)
    with pytest.raises(InputError, match="engine: it cannot be copied .*; open the file in each process"):
        act(one)
    assert one.logits(images(1, 32)).shape == (1, 3)


def test_an_engine_is_not_sent_to_a_process_that_is_started_anew(packed, engine):
    one = engine(packed().path)
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
