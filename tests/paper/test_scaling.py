"""The scaling model against formulas worked out here, and docs/scaling.md against what benchmarks/scaling.py prints."""

import importlib.util
import math
import pathlib
import sys
from dataclasses import replace

import numpy as np
import pytest

from src.model import create_model
from src.model.layers.norms import BatchNorm

ROOT = pathlib.Path(__file__).resolve().parents[2]
N, BYTES, ALPHA, BETA = 8, 6.0e7, 1.0e-5, 1.0e9


@pytest.fixture(scope="module")
def scaling():
    """benchmarks/scaling.py as a module."""
    spec = importlib.util.spec_from_file_location("benchmark_scaling", ROOT / "benchmarks" / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return module


@pytest.fixture(scope="module")
def model(scaling):
    """benchmarks/scaling_model.py as a module."""
    return sys.modules["scaling_model"]


@pytest.fixture
def job(model):
    """8 equal devices, 300 images each in 3 accumulated batches, one all-reduce that nothing hides."""
    fabric = model.Fabric(model.Link(ALPHA, BETA))
    return model.Job(N, 300, fabric, BYTES, fixed=0.01, per_image=0.002)


def test_step_of_equal_devices_by_hand(model, job):
    gradients = 2 * 7 * (ALPHA + BYTES / 8 / BETA)
    batches = 3 * (0.01 + 100 * 0.002)
    assert model.closed_form(job) == pytest.approx(batches + gradients, rel=1e-12)
    norms = 3 * 4 * 5 * 2 * 7 * (ALPHA + 1000 / 5 / 8 / BETA)  # 3 batches, 4 sums, 5 norms
    synchronized = replace(job, norms=(5, 1000))
    assert model.closed_form(synchronized) == pytest.approx(batches + norms + gradients, rel=1e-12)
    buffers = 2 * 7 * (ALPHA + 2000 / 8 / BETA) * 2400 / model.TRAINING_IMAGES  # one step's share
    averaged = replace(job, buffers=2000)
    assert model.closed_form(averaged) == pytest.approx(batches + gradients + buffers, rel=1e-12)


@pytest.mark.parametrize("devices", [1, 2, 8, 64])
@pytest.mark.parametrize("buckets", [1, 7])
def test_simulation_without_chance_or_overlap_is_the_formula(model, job, devices, buckets):
    for fabric in (job.fabric, model.Fabric(job.fabric.outer, model.Link(1e-6, 1e10), 8)):
        one = replace(job, devices=devices, buckets=buckets, fabric=fabric, buffers=1000, norms=(3, 500))
        assert model.simulate(one, 10, 1) == pytest.approx(model.closed_form(one), rel=1e-9)


def test_one_device_is_efficient(model, job):
    alone = replace(job, devices=1, images=384)
    assert model.efficiency(alone, model.closed_form(alone)) == pytest.approx(1, abs=1e-12)
    assert model.efficiency(alone, model.simulate(alone, 5, 1)) == pytest.approx(1, abs=1e-9)


def test_two_levels_by_hand(model):
    inner, outer = model.Link(1e-6, 1e10), model.Link(ALPHA, BETA)
    fabric = model.Fabric(outer, inner, 4)
    inside = 2 * 3 * (1e-6 + BYTES / 4 / 1e10)
    assert model.allreduce(BYTES, 4, fabric) == pytest.approx(inside)
    between = 2 * 2 * (ALPHA + BYTES / 4 / 3 / BETA)  # 3 hosts, a quarter of the bytes each
    assert model.allreduce(BYTES, 12, fabric) == pytest.approx(inside + between)
    doubling = model.Fabric(outer, inner, 4, doubling=True)
    assert model.allreduce(BYTES, 12, doubling) == pytest.approx(
        inside - 2 * 1e-6 + between
    )  # 2 ceil(log2(3)) = 4
    assert model.flat(BYTES, 64, outer, True) == pytest.approx(2 * 6 * ALPHA + 2 * 63 / 64 * BYTES / BETA)
    with pytest.raises(ValueError, match="devices: expected a multiple of 4, got 13"):
        model.allreduce(BYTES, 13, fabric)
    assert model.volume(BYTES, 1) == 0 and model.volume(BYTES, 2) == BYTES


def test_more_of_what_costs_costs_more(model, job):
    def step(**changes):
        return model.simulate(replace(job, **changes), 200, 1)

    fixed = [
        step(devices=n, images=1024 / n) * n for n in (1, 2, 4, 8, 16, 32)
    ]  # device seconds per 1024 images
    assert fixed == sorted(fixed)
    for key, values in {
        "devices": (1, 2, 8, 64), "payload": (0, 1e6, 1e8), "jitter": (0, 0.03, 0.1), "per_image": (0.001, 0.002),
        "buckets": (1, 10, 1000),
    }.items():  # fmt: skip
        times = [step(**{key: value}) for value in values]
        assert times == sorted(times) and times[0] < times[-1], key
    assert step(buckets=4, overlap=1.0) < step(buckets=4, overlap=0.5) < step(buckets=4)


def test_overlap_hides_all_but_the_last_bucket(model, job):
    one = replace(job, buckets=4, overlap=1.0, payload=1e6)  # buckets arrive later than they take
    hidden = 3 * model.allreduce(1e6 / 4, N, one.fabric)
    assert model.simulate(one, 5, 1) == pytest.approx(model.closed_form(one) - hidden, rel=1e-9)


def test_synchronized_norms_make_all_wait_in_every_batch(model, job):
    uneven = replace(job, jitter=0.1)
    alone, together = (model.simulate(replace(uneven, norms=norms), 200, 1) for norms in ((0, 0), (1, 0)))
    waits = 3 * model.norm_seconds(replace(job, norms=(1, 0)))
    assert together - alone > waits + 0.02  # for the slowest in each batch, not for that of their sum


def test_a_slow_input_sets_the_pace(model, job):
    assert model.simulate(replace(job, input=100.0), 20, 1) == pytest.approx(300 / 100)
    assert model.simulate(replace(job, input=1e6), 20, 1) == pytest.approx(model.closed_form(job))


def simulated_share(interval, write, restart, mtbf, failures, seed):
    """Share of useful work over so many failures: a restart, then work and checkpoints until the next one."""
    between = np.random.default_rng(seed).exponential(mtbf, failures)
    saved = np.floor(np.maximum(between - restart, 0) / (interval + write))
    return interval * saved.sum() / between.sum()


def test_failures_by_formula_and_by_simulation(model):
    write, restart, mtbf = 10.0, 120.0, 5000.0
    best = model.best_interval(write, mtbf)
    assert best == math.sqrt(2 * 10 * 5000)
    for interval in (best / 5, best, 5 * best):
        share = simulated_share(interval, write, restart, mtbf, 200_000, 1)
        assert share == pytest.approx(model.useful_share(interval, write, restart, mtbf), rel=5e-3)
    top = max(model.useful_share(best * k / 50, write, restart, mtbf) for k in range(5, 250))
    assert model.useful_share(best, write, restart, mtbf) > top - 1e-3
    assert model.useful_share(90.0, 10.0, 0.0, 1e12) == pytest.approx(0.9)  # nothing fails: writing alone


@pytest.mark.parametrize("name,classes", [("bimlp_t", 10), ("bimlp_s", 1000)])
def test_networks_are_counted(scaling, name, classes):
    network = create_model(name, classes, "binary", backend="fast")
    trained = network.trainable_params()
    norms = [cell for _, cell in network.cells_and_names() if isinstance(cell, BatchNorm)]
    channels = sum(cell.num_features for cell in norms)
    assert scaling.jobs.NETWORKS[name][:4] == (
        sum(p.size for p in trained),
        len(trained),
        len(norms),
        channels,
    )
    assert sum(p.size for p in network.get_parameters() if not p.requires_grad) == 2 * channels


def test_document_holds_what_the_script_prints(scaling):
    text = (ROOT / "docs" / "scaling.md").read_text()
    for title, table in scaling.tables(scaling.parse([])).items():
        assert table in text, title


def test_command_takes_a_link_and_a_step_of_ones_own(scaling):
    given = ["--gigabytes_per_second", "25", "--latency_us", "1", "--step_seconds", "0.5", "--fixed_ms", "0"]
    options = scaling.parse([*given, "--steps", "5"])
    job = scaling.jobs.accelerators(options, 8, scaling.jobs.links(options)["yours"])
    assert job.fabric.outer.bandwidth == 25e9 and job.batch_seconds == pytest.approx(0.5)
    assert "| yours" in scaling.tables(options)["Efficiency"]


def test_synchronized_norms_are_an_option(scaling):
    plain, synchronized = (scaling.parse(given) for given in ([], ["--sync_bn"]))
    link = scaling.jobs.LINKS["10 GbE"]
    assert scaling.jobs.accelerators(plain, 8, link).norms == (0, 0)
    assert scaling.jobs.accelerators(synchronized, 8, link).norms == (165, 4 * 55_968)
