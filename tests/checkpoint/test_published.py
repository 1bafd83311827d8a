"""MindCV's published weights from a server on this machine: taken, or one line that names model, address and way out."""

import os
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mindcv
import mindspore as ms
import numpy as np
import pytest
from mindcv.models import squeezenet
from mindcv.utils import download

from src.checkpoint import published
from src.commands.build import build_network
from src.common.errors import InputError
from src.settings.config import load_config

NAME, FILE = "squeezenet1_1", "squeezenet1_1-0123.ckpt"
OR = "; or give teacher_checkpoint=FILE"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """(bytes of a checkpoint of the model with 1000 classes, its first weight)."""
    path = tmp_path_factory.mktemp("weights") / "weights.ckpt"
    network = mindcv.create_model(NAME)
    ms.save_checkpoint(network, str(path))
    return path.read_bytes(), next(network.get_parameters()).asnumpy()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where MindCV puts the file."""
    monkeypatch.setattr(download, "_DEFAULT_DOWNLOAD_ROOT", str(tmp_path))
    return tmp_path / "models" / FILE


@pytest.fixture
def serve(monkeypatch):
    """serve(answer): the address of a server that answers by answer(handler)."""
    servers = []

    def serve(answer, scheme="http"):
        class Handler(BaseHTTPRequestHandler):
            do_GET = answer

            def log_message(self, *_):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return publish(monkeypatch, servers[-1].server_address[1], scheme)

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def publish(monkeypatch, port, scheme="http"):
    """The address at which MindCV now looks for the weights."""
    address = f"{scheme}://127.0.0.1:{port}/{FILE}"
    monkeypatch.setitem(squeezenet.default_cfgs[NAME], "url", address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return address


def sends(data, more=0):
    """An answer: `data`, announced with so many bytes more."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) + more))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def teacher():
    return build_network(load_config(), NAME, 10, "fp32", "teacher_checkpoint=FILE")


def said(address, words):
    """The one line of a failure."""
    with pytest.raises(InputError) as raised:
        teacher()
    line = str(raised.value)
    assert line.startswith(f"{NAME}: expected MindCV's published weights from {address}, got: "), line
    assert words in line and line.endswith(OR) and "\n" not in line


def test_published_weights_are_taken(checkpoint, place, serve):
    data, weight = checkpoint
    serve(sends(data))
    np.testing.assert_array_equal(next(teacher().get_parameters()).asnumpy(), weight)
    assert place.read_bytes() == data


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_is_not_there(place, monkeypatch, scheme):
    context = ssl._create_default_https_context
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        said(publish(monkeypatch, taken.getsockname()[1], scheme), "Connection refused")
    assert not place.exists() and ssl._create_default_https_context is context


def test_a_host_without_an_address(place, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said(publish(monkeypatch, 80), "Name or service not known")


def test_a_file_that_is_not_there(place, serve):
    said(serve(lambda handler: handler.send_error(404)), "HTTP Error 404: Not Found")
    assert not place.exists()


@pytest.mark.parametrize("cut", [0, 100, 1000])
def test_a_download_that_is_cut_off_is_not_there_for_the_next_one(checkpoint, place, serve, monkeypatch, cut):
    data, weight = checkpoint
    said(serve(sends(data[: len(data) * cut // 1001], more=1000)), "")
    assert not place.exists()
    serve(sends(data))
    np.testing.assert_array_equal(next(teacher().get_parameters()).asnumpy(), weight)


def test_a_page_in_the_place_of_the_file(place, serve):
    said(serve(sends(b"<html>please log in</html>")), "Failed to read the checkpoint file")


def test_a_server_that_says_nothing(place, serve, monkeypatch):
    monkeypatch.setattr(published, "TIMEOUT", 0.2)
    go = threading.Event()
    said(serve(lambda handler: go.wait()), "timed out")
    go.set()
    assert socket.getdefaulttimeout() is None


def test_a_damaged_file_that_was_there_is_named_and_left(checkpoint, place, serve):
    serve(sends(checkpoint[0]))
    place.parent.mkdir()
    place.write_bytes(checkpoint[0][:1000])
    with pytest.raises(InputError) as raised:
        teacher()
    assert f"weights in {place} (remove that file to download it again), got: Failed to read" in str(
        raised.value
    )
    assert str(raised.value).endswith(OR) and place.stat().st_size == 1000


def test_an_interruption_leaves_no_half_file(place, serve, monkeypatch):
    def interrupted(self, url, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    serve(sends(b""))
    monkeypatch.setattr(download.DownLoad, "download_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teacher()
    assert os.listdir(place.parent) == []


def test_a_model_without_published_weights_does_not_get_random_ones(place, monkeypatch):
    monkeypatch.setattr("mindcv.models.registry._model_has_pretrained", set())
    with pytest.raises(InputError, match="squeezenet1_1: expected a model whose weights MindCV publishes"):
        teacher()


@pytest.mark.parametrize(
    ("name", "precision", "words"),
    [
        ("resnet3", "fp32", "unknown model: 'resnet3'; did you mean"),
        ("bimlp_t", "binary", "unknown override of bimlp_t: 'pretrained'"),
        (NAME, "binary", "expected precision fp32 for a model of MindCV"),
    ],
)
def test_what_is_no_model_of_mindcv_is_refused_before_anything_is_downloaded(place, name, precision, words):
    with pytest.raises(InputError, match=words):
        build_network(load_config(), name, 10, precision, "teacher_checkpoint=FILE")
    assert not place.parent.exists()
