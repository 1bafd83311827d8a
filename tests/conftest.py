"""Settings of the framework for all tests, the order of modules, and which tests a run leaves out."""

import atexit
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("GLOG_v", "3")
os.umask(0o022)  # some tests look at the modes of files
if "PYTEST_XDIST_WORKER" in os.environ:
    # kernels that use all cores wait actively for each other: two processes of tests would slow each other down
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.argv[0] = (
        __file__  # the framework reads the program's file where it keeps graphs; here it would be "-c"
    )

TESTS = Path(__file__).parent
# of two processes none is left alone with them at the end
LONGEST_FIRST = ("faults", "commands", "engine", "learn", "operators", "model", "deploy")
# modules and folders that start the framework in processes or compile its graphs: --fast leaves them out
SLOW = (
    "faults", "commands", "engine", "learn", "operators", "model", "deploy", "paper", "cost", "data/test_benchmark.py",
)  # fmt: skip

LITE = "mindspore-lite-*"  # folders of scripts/run_lite_check.sh


@atexit.register
def end_quietly():
    """Cells that are still there when the interpreter is taken apart complain, in thousands of lines."""
    nn = sys.modules.get("mindspore.nn")
    if nn is not None:
        nn.Cell.__del__ = lambda cell: None


def pytest_addoption(parser):
    parser.addoption(
        "--fast", action="store_true", help="only tests that neither compile a graph nor start the framework"
    )
    parser.addoption(
        "--soak", action="store_true", help="tests/faults: every fault as often as docs/reliability.md says"
    )
    parser.addoption(
        "--report", type=Path, help="tests/faults: JSON lines of what was done are added to this file"
    )


def pytest_configure(config):
    """Graphs that the framework compiled are kept for the processes of this run alone; --soak leaves nothing out."""
    if config.getoption("--soak"):
        config.option.markexpr = ""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(own_cache())


def own_cache():
    """Let BIMLP_CACHE be a new folder with the compiled C++ of the usual one and a link to its MindSpore Lite, and without its
    graphs; returns what gives new C++ to the usual one, and MindSpore Lite, and removes the folder."""
    from src.common.cache_folder import cache_dir

    usual, own = cache_dir(), Path(tempfile.mkdtemp(prefix="bimlp-tests-"))
    shutil.copytree(usual, own, ignore=shutil.ignore_patterns("graphs", LITE), dirs_exist_ok=True)
    for path in usual.glob(LITE):
        (own / path.name).symlink_to(path)
    before = os.environ.get("BIMLP_CACHE")
    os.environ["BIMLP_CACHE"] = str(own)

    def give_back():
        for path in own.glob("*.so"):
            if not (usual / path.name).exists():
                part = usual / f"{path.name}.{os.getpid()}.part"
                shutil.copyfile(path, part)
                part.replace(usual / path.name)
        for path in own.glob(LITE):
            if not (usual / path.name).exists():
                shutil.move(path, usual / path.name)
        shutil.rmtree(own, ignore_errors=True)
        if before is None:
            del os.environ["BIMLP_CACHE"]
        else:
            os.environ["BIMLP_CACHE"] = before

    return give_back


def pytest_collection_modifyitems(config, items):
    """Folders in the order of LONGEST_FIRST, then the others; with --fast none of SLOW."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.parent, len(places)))
    if config.getoption("--fast"):
        slow = {TESTS / name for name in SLOW}
        left = [item for item in items if slow & {item.path, item.path.parent}]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """The same random numbers for each test in any order; operations that are not compiled run on the calling thread.

    Threads that wait for operations would take both cores.
    """
    mindspore = sys.modules.get("mindspore")
    if mindspore is not None:
        mindspore.set_seed(1)
        mindspore.runtime.launch_blocking()


@pytest.fixture(autouse=True)
def compiles_nothing(request, monkeypatch):
    """With --fast a test that compiles a graph fails, and says where it belongs."""
    api = sys.modules.get("mindspore.graph.api")
    if request.config.getoption("--fast") and api is not None:

        def refuse(*arguments, **more):
            pytest.fail("--fast: this test compiles a graph; name its module in SLOW of tests/conftest.py")

        for executor in (api._JitExecutor, api._CellGraphExecutor):
            monkeypatch.setattr(executor, "compile", refuse)


@pytest.fixture
def full_disk():
    """Any write beyond the first 10,000 bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def pynative():
    """PyNative mode for one test."""
    import mindspore as ms

    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=mode)
