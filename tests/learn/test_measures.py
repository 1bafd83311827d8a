"""Step times and their display: figures by hand, compiling, the progress bar's speed."""

import io
import sys
import time

import numpy as np
import pytest

from src.learn import progress
from src.learn.compiled import Compiled
from src.learn.progress import ProgressBar, log
from src.learn.step_timer import StepTimer


def measured(*steps):
    """StepTimer of these (waiting, computing, compiled, norm), all of an epoch."""
    timer = StepTimer(len(steps))
    for index, step in enumerate(steps):
        timer.note(index, *step)
    return timer


def test_figures_of_an_epoch_by_hand():
    timer = measured((0.5, 10, True, 1), (0.1, 1, False, 2), (0.3, 1, False, 3), (0.1, 2, False, 6))
    assert timer.record(images_per_step=8) == pytest.approx(
        {
            "step_seconds": 1,  # the median of 1, 1, 2
            "compile_seconds": 10 - 1,
            "seconds": (0.5 + 0.1 + 0.3 + 0.1) + (1 + 1 + 1 + 2),
            "images_per_second": 4 * 8 / 6,
            "data_wait": (0.1 + 0.3 + 0.1) / (0.1 + 0.3 + 0.1 + 1 + 1 + 2),
            "gradient_norm": (1 + 2 + 3 + 6) / 4,
        }
    )


def test_a_step_compiled_in_the_middle_of_an_epoch_counts_as_the_others():
    figures = measured((1, 2, False, 1), (2, 9, True, 1), (0, 2, False, 1)).record(1)
    assert (figures["seconds"], figures["compile_seconds"], figures["data_wait"]) == (9, 7, 2 / 6)


def test_steps_that_all_compiled_count_as_they_are():
    figures = measured((1, 9, True, 3)).record(20)
    assert (figures["seconds"], figures["compile_seconds"], figures["data_wait"]) == (10, 0, 0)
    assert figures["images_per_second"] == 2


def test_steps_that_were_not_measured_do_not_count():
    timer = StepTimer(3)
    figures = timer.record(8)
    assert np.isnan(figures.pop("gradient_norm")) and set(figures.values()) == {0.0}
    timer.note(2, 0, 2, False, 5)
    figures = timer.record(8)
    assert (figures["seconds"], figures["images_per_second"], figures["gradient_norm"]) == (2, 4, 5)


def test_step_times_come_back_from_their_parameter():
    timer, other = measured((1, 2, True, 3)), StepTimer(1)
    timer.save()
    other.parameter.set_data(timer.parameter)
    other.restore()
    np.testing.assert_array_equal(other.values, [[1], [2], [1], [3]])
    other.note(0, 5, 5, False, 5)
    np.testing.assert_array_equal(timer.parameter.asnumpy(), [[1], [2], [1], [3]])
    other.clear()
    assert np.isnan(other.values).all()


def test_only_the_first_call_is_announced():
    said = []

    def double(x):
        said.append("called")
        time.sleep(0.1)
        return 2 * x

    function = Compiled(double, "the doubling", said.append)
    assert not function.ready
    assert (function(3), function.ready, function(4)) == (6, True, 8)
    assert said == ["compiling the doubling ...", "called", "compiled in 0.1 s", "called"]


def test_lines_go_where_they_are_sent(capsys):
    stream = io.StringIO()
    log("there", stream)
    log("here")
    assert (stream.getvalue(), capsys.readouterr().out) == ("there\n", "here\n")


def test_the_display_leaves_compiling_out_of_its_speed(capsys, monkeypatch):
    now = iter([0.0, 100.0, 102.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(now))
    display = ProgressBar("t", 3, 0, 8, 1, True)
    display.restart_clock(1)  # at 100 s
    display.update(1, 2.0, 0.1, 0.5)
    display.update(2, 2.0, 0.1, 0.5)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "t  step 1/3  loss 2.0000  lr 1.00e-01  top-1 0.5000"
    assert second == "t  step 2/3  4 images/s  loss 2.0000  lr 1.00e-01  top-1 0.5000  2 s left"


@pytest.mark.parametrize("closed", [False, True])
def test_the_display_needs_no_streams(monkeypatch, closed):
    """They are None where a process begins without them."""
    stream = io.StringIO() if closed else None
    if closed:
        stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    display = ProgressBar("t", 3, 0, 8, 1, True)
    display.update(1, 2.0, 0.1, 0.5)
    display.close()
