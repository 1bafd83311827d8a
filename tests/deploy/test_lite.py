"""scripts/run_lite_check.sh: files of the graph writer in the real MindSpore Lite 2.0, where its wheel can be had."""

import os
import subprocess
from pathlib import Path

import pytest

from src.deploy import export_network
from src.deploy.mindir_writer import write_mindir
from tests.deploy.fed import feeding
from tests.graph.random_graphs import random_graph

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "run_lite_check.sh"
SEEDS = range(12)


def check(*files, **variables):
    return subprocess.run(
        ["bash", SCRIPT, *files], capture_output=True, text=True, env={**os.environ, **variables}
    )


def test_a_missing_file_is_named(tmp_path):
    done = check(tmp_path / "none.mindir")
    assert done.returncode == 2 and "FILE: expected something that exists" in done.stderr


def test_without_the_wheel_it_says_so(tmp_path):
    (tmp_path / "file.mindir").touch()
    nowhere = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": "file:///nowhere", "PIP_NO_INDEX": "1"}
    done = check(tmp_path / "file.mindir", BIMLP_CACHE=str(tmp_path / "cache"), **nowhere)
    assert done.returncode == 3, done.stderr
    assert "mindspore-lite 2.0.0: no package index has given the wheel" in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


def lines_of(done):
    """Lines of the check, one for each file. Skips where MindSpore Lite cannot be had."""
    if done.returncode == 3:
        pytest.skip(f"MindSpore Lite cannot be had: {done.stderr.splitlines()[-1]}")
    return done.stdout.splitlines()


def test_lite_computes_what_mindspore_does_and_refuses_its_newest_operations(tiny, tmp_path):
    network, newest = tmp_path / "network.mindir", tmp_path / "newest.mindir"
    export_network(tiny(), "MINDIR", None, feeding(32), network)
    export_network(tiny(), "MINDIR", 1, feeding(32), newest, "framework")
    done = check(network, newest)
    agrees, refused = lines_of(done)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ": agrees: largest difference" in agrees and "DIFFERS: refused" in refused


@pytest.mark.thorough
def test_lite_computes_random_graphs(tmp_path):
    graphs = [tmp_path / f"graph_{seed}.mindir" for seed in SEEDS]
    for seed, path in zip(SEEDS, graphs):
        write_mindir(random_graph(seed), 1 + seed % 2, path)  # Lite crashes at some of any batch size
    done = check(*graphs)
    lines = lines_of(done)
    assert done.returncode == 0 and len(lines) == len(graphs), done.stdout + done.stderr
    assert all(": agrees: largest difference" in line for line in lines)
