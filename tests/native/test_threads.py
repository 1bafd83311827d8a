"""The thread pool of engine and operators: every item and every thread once, whoever calls, asleep or awake."""

import shutil
import subprocess
from pathlib import Path

import pytest

from src.common.compile import NATIVE, compiler, flags_of

PROGRAM = Path(__file__).parent / "pool_program.cc"


@pytest.fixture(scope="module", params=["plain", "thread"])
def program(request, tmp_path_factory):
    """The program, plain and with the sanitizer of threads."""
    if shutil.which(compiler()[0]) is None:
        pytest.skip("no C++ compiler")
    out = tmp_path_factory.mktemp("pool") / "program"
    sanitizer = [] if request.param == "plain" else [f"-fsanitize={request.param}"]
    flags = [*flags_of("common", "engine"), "-Werror", *sanitizer]
    command = [*compiler(), *flags, str(PROGRAM), str(NATIVE / "threads.cc"), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if sanitizer and "tsan" in done.stderr:
        pytest.skip("the compiler has no sanitizer of threads")
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_item_and_every_thread_once(program, threads):
    done = subprocess.run([program, str(threads)], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stdout + done.stderr[-3000:]
