"""Kept graphs: later processes find them, compute the same to the bit, and do without damaged ones."""

import itertools
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from mindspore import nn

from src.learn import compiled, graph_cache
from src.learn.compiled import Compiled
from src.learn.graph_cache import GraphCache, graph_identity
from src.learn.parallel import Workers
from src.settings.config import load_config, to_flat

ROOT = Path(__file__).resolve().parents[2]


def train(folder, cache):
    """Trains the small stage in a process of its own: (what it said, what it ended with)."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.learn.kept_graph", folder], cwd=ROOT, capture_output=True, text=True,
        check=False, env={**os.environ, "BIMLP_CACHE": str(cache)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(folder / "result.npz") as result:
        return done.stdout, dict(result)


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name], name)


@pytest.mark.thorough
def test_a_later_process_takes_the_kept_graphs_and_ends_with_the_same_weights(tmp_path):
    cache = tmp_path / "cache"
    cold, expected = train(tmp_path / "cold", cache)
    graphs = list((cache / "graphs").iterdir())
    assert len(graphs) == 2  # of the step and of the evaluation
    assert cold.count("compiled in") == 2 and "compiled before" not in cold
    warm, result = train(tmp_path / "warm", cache)
    assert "the training step ready in" in warm and "the evaluation ready in" in warm
    assert "compiling" not in warm
    assert_same(result, expected)
    for graph in graphs:  # cut off, as by a full disk
        file = graph / "graph.mindir"
        file.write_bytes(file.read_bytes()[:-100])
    again, result = train(tmp_path / "damaged", cache)
    assert again.count("compiled in") == 2 and "compiled before" not in again
    assert_same(result, expected)
    assert sorted((cache / "graphs").iterdir()) == sorted(graphs)


def identity(*overrides, networks=(), workers=None):
    return graph_identity(to_flat(load_config(None, overrides)), workers or Workers(), networks)


@pytest.mark.parametrize(
    "change",
    [
        "model.name=bimlp_s",
        "model.backend=fast",
        "data.image_size=24",
        "stages.step1.kd_alpha=0.5",
        "train.loss_scale=8",
    ],
)
def test_what_decides_a_graph_is_in_its_identity(change):
    assert identity(change) != identity()


@pytest.mark.parametrize(
    "change",
    [
        "seed=5",
        "data.path=/elsewhere",
        "data.batch_size=8",
        "stages.step1.epochs=7",
        "stages.step1.init_head=new",
        "stages.step2.learning_rate=0.5",
        "train.loss_scale_start=8",
    ],
)
def test_what_decides_no_graph_is_not(change):
    assert identity(change) == identity()


def test_the_networks_are_in_the_identity():
    dense, wider, frozen = nn.Dense(2, 3), nn.Dense(2, 4), nn.Dense(2, 3)
    frozen.weight.requires_grad = False
    found = [identity(networks=each) for each in ([dense], [wider], [frozen], [dense, dense])]
    assert all(left != right for left, right in itertools.combinations(found, 2))
    assert identity(networks=[dense, None]) == identity(networks=[nn.Dense(2, 3)]) == found[0]
    assert json.loads(json.dumps(found)) is not None


def test_nothing_is_kept_for_several_workers_or_other_devices():
    assert identity(workers=Workers(size=2)) is None
    assert identity("device_target=Ascend") is None


def test_a_changed_file_in_a_room_or_a_folder_of_it_changes_the_sources(tmp_path):
    sources, found = graph_cache._sources.__wrapped__, []
    for name in ("model/registry.py", "model/networks/toy.py", "model/networks/toy.py", "learn/step.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with (tmp_path / name).open("a") as file:
            file.write("x = 1\n")
        found.append(sources(tmp_path))
    assert len(set(found)) == 4


def test_changed_sources_make_other_graphs(monkeypatch):
    before = graph_cache.digest({})
    assert graph_cache.digest({}) == before != graph_cache.digest({"x": 1})
    monkeypatch.setattr(graph_cache, "_sources", lambda: "changed")
    assert graph_cache.digest({}) != before


@pytest.mark.parametrize("name", ["_mindcv_version", "c_library"])
def test_another_version_of_a_package_or_of_the_c_library_makes_other_graphs(monkeypatch, name):
    before = graph_cache.digest({})
    monkeypatch.setattr(graph_cache, name, lambda: "0.0")
    assert graph_cache.digest({}) != before


def test_the_version_of_mindcv_is_told_without_importing_it(monkeypatch):
    code = "from src.learn import graph_cache; import sys; print(graph_cache._mindcv_version(), 'mindcv' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{metadata.version('mindcv')} False\n"

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert graph_cache._mindcv_version() == ""


def keep(cache, identity):
    """Files of a compilation, without compiling."""
    with cache.keeping(identity) as found:
        if not found:
            place = cache.working_folder / "rank_0" / "graph_cache"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"compile_cache_{cache.count}.mindir").write_text(str(identity))
            (place / "compile_dependency.hash").write_text("hash")
    return found


def test_the_least_recently_used_graphs_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_cache, "MAX_GRAPHS", 2)
    cache = GraphCache(tmp_path / "graphs")
    assert [keep(cache, name) for name in "abacabc"] == [False, False, True, False, True, False, False]
    assert len(list((tmp_path / "graphs").iterdir())) == 2


def test_a_folder_that_cannot_be_written_keeps_nothing_and_fails_nothing(tmp_path):
    (tmp_path / "graphs").write_text("a file")
    cache = GraphCache(tmp_path / "graphs")
    assert not keep(cache, "a") and not keep(cache, "a")


def test_a_graph_that_vanishes_meanwhile_is_compiled_anew(tmp_path, monkeypatch):
    cache = GraphCache(tmp_path / "graphs")
    assert not keep(cache, "a")

    def vanish(source, target):
        Path(target).write_text("half")
        raise FileNotFoundError(source)

    with monkeypatch.context() as patched:
        patched.setattr(graph_cache.shutil, "copyfile", vanish)
        with cache.keeping("a") as found:
            assert not found and not cache._working_path().exists()
    assert keep(cache, "a")


def test_without_a_temporary_folder_nothing_is_kept(monkeypatch):
    def refuse(prefix):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(graph_cache.tempfile, "mkdtemp", refuse)
    monkeypatch.setattr(compiled, "graph_cache", graph_cache.graph_cache.__wrapped__)
    said = []
    assert Compiled(lambda x: 2 * x, "the doubling", said.append, {"x": 1})(np.float32(3)) == 6
    assert said[0] == "compiling the doubling ..."


def test_in_a_folder_that_others_can_write_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BIMLP_CACHE", str(tmp_path))
    tmp_path.chmod(0o777)
    assert graph_cache.graph_cache.__wrapped__() is None
