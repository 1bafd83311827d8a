"""Checkpoints come back exactly, fit exactly, and a bad one is refused with one clear message."""

import gzip
import io
import json
import os
import pickle
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import mindspore as ms
import numpy as np
import onnx
import pytest
import safetensors.numpy
from mindspore.train.checkpoint_pb2 import Checkpoint
from mindspore.train.mind_ir_pb2 import ModelProto

from src.checkpoint.file import CRC_BYTES, parameters_of, read_checkpoint, save_checkpoint
from src.checkpoint.loading import load_weights
from src.common.errors import InputError
from tests.checkpoint.small import Net, assert_equal, numbers

ROOT = Path(__file__).resolve().parents[2]


def damaged(saved, data):
    saved[1].write_bytes(data)
    return saved[1]


# --- writing and reading ---


@pytest.mark.parametrize("name", ["net.ckpt", "net", "state.bin", "grün weiß.ckpt", ".ckpt"])
def test_the_file_has_exactly_its_name_and_mode_0644_and_nothing_is_beside_it(tmp_path, name):
    network = Net()
    for _ in range(2):  # the second time it replaces the first
        save_checkpoint(tmp_path / name, network)
    assert os.listdir(tmp_path) == [name]
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o644
    assert_equal(numbers(read_checkpoint(tmp_path / name)), numbers(parameters_of(network)))


def test_every_type_and_shape_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "step": np.int64(2**40 + 1),
        "one": np.array([3], np.int32),
        "flag": np.array([True, False]),
        "half": rng.standard_normal((2, 3)).astype(np.float16),
        "single": np.array([0.0, -0.0, np.inf, -np.inf, 1e-45], np.float32),
        "double": rng.standard_normal((1, 2, 1, 2)),
        "byte": np.arange(256, dtype=np.uint8),
        "seed": np.array(2**32 - 1, np.uint32),
    }
    save_checkpoint(tmp_path / "state", {name: ms.Tensor(array) for name, array in arrays.items()})
    read = read_checkpoint(tmp_path / "state")
    assert_equal(numbers(read), {name: np.asarray(array) for name, array in arrays.items()})
    assert read["step"].shape == ()
    assert all(isinstance(value, ms.Parameter) and value.name == name for name, value in read.items())
    assert np.signbit(read["single"].asnumpy()[1])


def test_equal_input_gives_equal_bytes_that_the_framework_reads(saved, tmp_path):
    network, path = saved
    save_checkpoint(tmp_path / "again.ckpt", network)
    assert path.read_bytes() == (tmp_path / "again.ckpt").read_bytes()
    assert_equal(numbers(ms.load_checkpoint(str(path), crc_check=True)), numbers(parameters_of(network)))


def test_files_that_the_framework_wrote_are_read(tmp_path, monkeypatch):
    network = Net(width=600)
    monkeypatch.setattr("mindspore.train.serialization.SLICE_SIZE", 1)  # KiB: large tensors in many values
    ms.save_checkpoint(network, str(tmp_path / "a.ckpt"), append_dict={"note": "text", "epoch_num": 3})
    assert (tmp_path / "a.ckpt").read_bytes().count(b"body.weight") > 1
    read = numbers(read_checkpoint(tmp_path / "a.ckpt"))
    assert read.pop("epoch_num") == 3
    assert_equal(read, numbers(parameters_of(network)))


def safetensors_of(header, content):
    """The bytes of a safetensors file, written out: length of the header, header, tensors."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


@pytest.mark.parametrize("name", ["a.safetensors", "a.SAFETENSORS", "a.SafeTensors", "a.bin", "a.ckpt"])
def test_safetensors_are_read_under_any_name(tmp_path, name):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(3, np.int64)}
    safetensors.numpy.save_file(arrays, tmp_path / name)
    assert_equal(numbers(read_checkpoint(tmp_path / name)), arrays)


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    whole = safetensors.numpy.save({"a": np.arange(6, dtype=np.float32)})
    for name, data in {"b.safetensors": whole[:-1], "c.bin": whole[:-1], "d.SafeTensors": whole[8:]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=f"{name}: expected a whole MindSpore checkpoint or safetensors"):
            read_checkpoint(tmp_path / name)


# 1, -2, 3.140625 (0x4049), infinity, and the smallest normal number: the upper half of a 32-bit float
BFLOATS = np.array([0x3F80, 0xC000, 0x4049, 0x7F80, 0x0080], np.uint16).tobytes()
DECODED = np.array([1, -2, 3.140625, np.inf, 2.0**-126], np.float32)


def test_bfloat16_is_read_as_the_same_numbers_in_float32(tmp_path):
    """As safetensors, as MindSpore writes it, and in pieces."""
    header = {"w": {"dtype": "BF16", "shape": [5], "data_offsets": [0, 10]}}
    (tmp_path / "a.safetensors").write_bytes(safetensors_of(header, BFLOATS))
    assert_equal(numbers(read_checkpoint(tmp_path / "a.safetensors")), {"w": DECODED})
    tensor = ms.Tensor(DECODED).astype(ms.bfloat16)
    ms.save_checkpoint([{"name": "w", "data": tensor}], str(tmp_path / "b.ckpt"))
    assert BFLOATS in (tmp_path / "b.ckpt").read_bytes()
    assert_equal(numbers(read_checkpoint(tmp_path / "b.ckpt")), {"w": DECODED})


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.uint16, np.int8, np.bool_, np.uint64])
def test_every_number_type_of_safetensors_comes_back(tmp_path, kind):
    array = np.array([[0, 1], [1, 3]]).astype(kind)
    safetensors.numpy.save_file({"w": array}, tmp_path / "a.safetensors")
    assert_equal(numbers(read_checkpoint(tmp_path / "a.safetensors")), {"w": array})


def test_a_type_of_safetensors_that_no_network_has_is_named(tmp_path):
    header = {"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    (tmp_path / "a.safetensors").write_bytes(safetensors_of(header, bytes(2)))
    with pytest.raises(InputError, match="w has the type F8_E4M3, known are BOOL, "):
        read_checkpoint(tmp_path / "a.safetensors")


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(TypeError, match="step: expected a Tensor, got int"):
        save_checkpoint(tmp_path / "a", {"w": ms.Tensor([1.0]), "step": 3})
    with pytest.raises(ValueError, match=r"w: expected numbers, got Float32 \(0, 2\)"):
        save_checkpoint(tmp_path / "a", {"w": ms.Tensor(np.zeros((0, 2), np.float32))})
    with pytest.raises(ValueError, match="w: expected numbers, got BFloat16"):
        save_checkpoint(tmp_path / "a", {"w": ms.Tensor([1.0], ms.bfloat16)})
    with pytest.raises(ValueError, match="expected at least one tensor"):
        save_checkpoint(tmp_path / "a", {})
    network = Net()
    network.body.weight.name = network.head.weight.name
    with pytest.raises(ValueError, match="Net: two parameters have the name head.weight"):
        save_checkpoint(tmp_path / "a", network)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_keeps_the_old_file_and_logs_nothing(saved, caplog, full_disk):
    before = saved[1].read_bytes()
    with pytest.raises(InputError, match="net.ckpt: cannot be written: File too large"):
        save_checkpoint(saved[1], Net(width=5000))
    assert saved[1].read_bytes() == before
    assert os.listdir(saved[1].parent) == ["net.ckpt"]
    assert caplog.records == []


# --- refusals ---


def test_missing_folder_and_empty(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(
        InputError, match="checkpoint .*none: expected a file, got: No such file or directory"
    ):
        read_checkpoint(tmp_path / "none")
    with pytest.raises(InputError, match="expected a file, got: Is a directory"):
        read_checkpoint(tmp_path)
    with pytest.raises(InputError, match=r"empty: expected weights, got an empty file \(0 bytes\)"):
        read_checkpoint(tmp_path / "empty")
    with pytest.raises(InputError, match="expected a file"):
        read_checkpoint("a\0b")


def test_a_file_cut_anywhere_is_refused(saved):
    """By its content or, between two tensors, for the missing names. Without just the CRC it is a whole file."""
    network, path = saved
    whole = path.read_bytes()
    for length in set(range(1, len(whole))) - {len(whole) - CRC_BYTES}:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="net.ckpt"):
            load_weights(network, read_checkpoint(path), path)
    path.write_bytes(whole[:-CRC_BYTES])
    assert_equal(numbers(read_checkpoint(path)), numbers(parameters_of(network)))


def test_every_flipped_bit_is_found(saved):
    whole = saved[1].read_bytes()
    for place in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(InputError, match="net.ckpt"):
            load_weights(saved[0], read_checkpoint(damaged(saved, flipped)), saved[1])


def test_a_checksum_can_be_demanded(saved):
    """Damage to the mark alone makes a file without a checksum; so does cutting it off."""
    network, path = saved
    whole = path.read_bytes()
    assert_equal(numbers(read_checkpoint(path, checked=True)), numbers(parameters_of(network)))
    endings = [whole[:length] for length in range(len(whole) - 3 * CRC_BYTES, len(whole))]
    for place in range(len(whole) - 2 * CRC_BYTES, len(whole)):
        endings += [
            whole[:place] + bytes([byte]) + whole[place + 1 :] for byte in {*range(256)} - {whole[place]}
        ]
    for data in endings:
        path.write_bytes(data)
        with pytest.raises(InputError, match="net.ckpt: expected a whole MindSpore checkpoint"):
            read_checkpoint(path, checked=True)
    safetensors.numpy.save_file({"a": np.zeros(1, np.float32)}, path.with_suffix(".safetensors"))
    with pytest.raises(InputError, match="its checksum is missing"):
        read_checkpoint(path.with_suffix(".safetensors"), checked=True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"hello, this is text\n" * 9,
            "expected a whole MindSpore checkpoint or safetensors file, got a file of 180 bytes",
        ),
        (b"\0" * 100, "expected a whole MindSpore checkpoint"),
        (b"PK\x03\x04 archive/data.pkl", "got a zip archive"),
        (b"\x80\x02cposix\nsystem\n(S'touch executed'\ntR.", "got a Python pickle"),
        (b"crc_num" + bytes(10), "no parameter in it"),
        (b"crc_num" + bytes(9) + b"\1", "its CRC-32 does not match"),
    ],
)
def test_other_files_are_refused_and_nothing_in_them_runs(saved, tmp_path, monkeypatch, data, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_checkpoint(damaged(saved, data))
    assert words in str(error.value)
    assert str(saved[1]) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("shape", "type_name", "content", "words"),
    [
        ([1000], "Float32", bytes(8), "w of shape (1000,) should have 4000 bytes and has 8"),
        ([2], "Float32", bytes(12), "should have 8 bytes and has 12"),
        ([-1, -2], "Float32", bytes(8), "w of shape (-1, -2)"),
        ([2**62, 4], "Float32", bytes(8), "should have"),
        ([0], "Float32", b"", "w of shape (0,)"),
        ([2], "Complex", bytes(8), "w has the type Complex, known are Bool, "),
        ([2], "BFloat16", bytes(8), "should have 4 bytes and has 8"),
    ],
)
def test_a_tensor_that_contradicts_its_shape_or_type_is_refused(saved, shape, type_name, content, words):
    message = Checkpoint()
    value = message.value.add()
    value.tag = "w"
    value.tensor.dims.extend(shape)
    value.tensor.tensor_type = type_name
    value.tensor.tensor_content = content
    with pytest.raises(InputError) as error:
        read_checkpoint(damaged(saved, message.SerializeToString()))
    assert words in str(error.value)


def test_a_program_that_meets_a_truncated_checkpoint_prints_one_line(saved):
    path = damaged(saved, saved[1].read_bytes()[:100])
    code = (
        "import sys; from src.settings.command_line import run; from src.checkpoint.file import read_checkpoint\n"
        "sys.exit(run(lambda argv: read_checkpoint(argv[0])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: checkpoint {path}: expected a whole MindSpore checkpoint")


# --- files that are something else ---


def zipped(name):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, b"content")
    return archive.getvalue()


def arrays_of_numpy(save, *arrays):
    file = io.BytesIO()
    save(file, *arrays)
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 27400000\n"
ONNX = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []), producer_name="pytorch").SerializeToString()  # fmt: skip
MINDIR = ModelProto(
    ir_version="3.1", producer_name="MindSpore", producer_version="2.10.0"
).SerializeToString()
OLD_PYTORCH = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
KINDS = {
    "lfs": (LFS, "a git-LFS pointer, which stands for a file of 27400000 bytes; take that file: git lfs pull"),
    "short lfs": (LFS[:60], "a git-LFS pointer"),
    "page": (b"\n <!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page; take the file itself"),
    "page with a mark": (b"\xef\xbb\xbf<HTML lang='en'>", "a web page"),
    "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "mindir": (MINDIR, "a MINDIR file, which eval.py takes under a name ending in .mindir if export.py wrote it; take the checkpoint (.ckpt) that it was made of"),
    "onnx": (ONNX, "an ONNX file, which eval.py takes under a name ending in .onnx if export.py wrote it; take the checkpoint (.ckpt) that it was made of"),
    "pytorch": (zipped("archive/data.pkl"), "a PyTorch file; take the weights as a MindSpore checkpoint (.ckpt) or a safetensors file, which "
                "python -m src.commands.convert makes of a network that it knows"),
    "old pytorch": (OLD_PYTORCH, "a PyTorch file"),
    "pickle": (pickle.dumps({"w": [1.0]}), "a Python pickle, which can run code; take the weights as"),
    "npz": (arrays_of_numpy(np.savez, np.zeros(3)), "a NumPy archive (.npz); take the weights as"),
    "npy": (arrays_of_numpy(np.save, np.zeros(3)), "a NumPy array (.npy); take the weights as"),
    "zip": (zipped("best.ckpt"), "a zip archive; take the checkpoint in it"),
    "empty zip": (b"PK\x05\x06" + bytes(18), "a zip archive"),
    "gzip": (gzip.compress(b"content"), "a gzip archive; take the checkpoint in it"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file; take the weights as a MindSpore checkpoint"),
    "packed": (b"\x89BiMLP\r\n" + bytes(300), "a packed file, which eval.py takes under a name ending in .packed; "
               "take the checkpoint (.ckpt) that it was made of"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["net.ckpt", "net.safetensors"])
def test_a_file_of_another_kind_is_named_with_what_to_take(tmp_path, kind, name):
    data, words = KINDS[kind]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as error:
        read_checkpoint(tmp_path / name)
    start = f"checkpoint {tmp_path / name}: expected a MindSpore checkpoint or a safetensors file, got "
    assert str(error.value).startswith(start + words)


def test_only_what_cannot_be_read_is_taken_for_another_kind(tmp_path):
    """Names may hold anything, and a header's length may be the bytes that a pickle begins with."""
    arrays = {"<html>data.pkl": np.zeros(1, np.float32)}
    save_checkpoint(tmp_path / "a.ckpt", {name: ms.Tensor(array) for name, array in arrays.items()})
    assert_equal(numbers(read_checkpoint(tmp_path / "a.ckpt")), arrays)
    header = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps(header).ljust(0x280).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(4)
    assert data[:2] == b"\x80\x02"
    (tmp_path / "b.bin").write_bytes(data)
    assert_equal(numbers(read_checkpoint(tmp_path / "b.bin")), {"w": np.zeros(1, np.float32)})
    (tmp_path / "b.bin").write_bytes(data[:-1])
    with pytest.raises(InputError, match="expected a whole MindSpore checkpoint or safetensors file"):
        read_checkpoint(tmp_path / "b.bin")
