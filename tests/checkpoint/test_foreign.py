"""Files of PyTorch, NumPy and Keras: read as the numbers that they hold, refused in one line, nothing in them runs."""

import importlib.util
import io
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from src.checkpoint.foreign.pickled import MAX_OPCODES, OPCODES, read_pickle
from src.checkpoint.foreign.reading import read_foreign
from src.common.errors import InputError
from tests.checkpoint.small import assert_equal
from tests.checkpoint.torch_files import (
    FORMS,
    Call,
    Global,
    Mapping,
    Storage,
    Tensor,
    arrays,
    pickled,
    tensors_of,
    zip_form,
)


def read(tmp_path, data):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return read_foreign(path)


def refusal(tmp_path, data):
    """The message on a file that is refused."""
    with pytest.raises(InputError) as error:
        read(tmp_path, data)
    message = str(error.value)
    assert message.startswith(f"weights {tmp_path / 'weights.pth'}: ") and "\n" not in message
    return message


# --- what is read ---


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("form", FORMS)
def test_both_forms_give_the_tensors_of_the_state_dict_and_name_the_rest(tmp_path, form, protocol):
    wanted = arrays()
    mapping, storages = tensors_of(wanted)
    accuracy = Storage("accuracy", np.array([0.5], np.float32))
    file = {
        "epoch": 3, "state_dict": mapping, "best_acc1": Tensor(accuracy, 0, (), ()), "arch": "resnet", "lr": 0.1,
        "optimizer": {"state": {0: {"step": 10}}, "old": Call("collections", "defaultdict", Global("__builtin__", "dict")), "param_groups": [{"params": [0, 1], "nesterov": False}]},
        "args": Call("argparse", "Namespace"), "np": Call("numpy.core.multiarray", "scalar", b"\0" * 8), "none": None,
    }  # fmt: skip
    found = read(tmp_path, FORMS[form](file, [*storages, accuracy], protocol))
    assert_equal(found.arrays, wanted)
    assert found.rest == ["epoch", "best_acc1", "arch", "lr", "optimizer", "args", "np", "none"]


@pytest.mark.parametrize("form", FORMS)
def test_a_bare_state_dict_and_views_of_one_storage_are_read(tmp_path, form):
    numbers = np.arange(12, dtype=np.float32)
    storage = Storage("all", numbers)
    file = Mapping(
        whole=Tensor(storage, 0, (3, 4), (4, 1)),
        row=Tensor(storage, 4, (4,), (1,)),
        turned=Tensor(storage, 0, (4, 3), (1, 4)),
        one=Call("torch._utils", "_rebuild_parameter", Tensor(storage, 11, (), ()), True, Mapping()),
        note="text",
    )
    found = read(tmp_path, FORMS[form](file, [storage]))
    whole = numbers.reshape(3, 4)
    assert_equal(found.arrays, {"whole": whole, "row": whole[1], "turned": whole.T, "one": np.float32(11)})
    assert found.rest == ["note"]


def test_bfloat16_is_read_as_the_same_numbers_in_float32(tmp_path):
    data = np.array([0x3F80, 0xC000, 0x4049], "<u2")
    storage = Storage("0", data.view(np.float16))
    name = b"torch\nHalfStorage\n"
    body = pickled({"w": Tensor(storage, 0, (3,), (1,))}).replace(name, b"torch\nBFloat16Storage\n")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("a/data.pkl", body)
        target.writestr("a/data/0", data.tobytes())
    assert_equal(read(tmp_path, archive.getvalue()).arrays, {"w": np.array([1, -2, 3.140625], np.float32)})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, safetensors.numpy.save])
def test_numpy_archives_and_safetensors_are_read(tmp_path, save):
    wanted = {"fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones((2, 1), np.int64)}
    if save is safetensors.numpy.save:
        data = save(wanted)
    else:
        file = io.BytesIO()
        save(file, **wanted)
        data = file.getvalue()
    found = read(tmp_path, data).arrays
    assert_equal({name: found[name] for name in wanted}, wanted)


@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f2", "i1", "?", "<u8"])
def test_arrays_of_every_type_order_and_shape_come_back(tmp_path, kind):
    wanted = {
        "matrix": np.asfortranarray(np.arange(6).reshape(2, 3).astype(kind)),
        "number": np.array(1).astype(kind),
        "row": np.arange(3).astype(kind),
    }
    file = io.BytesIO()
    np.savez(file, **wanted)
    assert_equal(read(tmp_path, file.getvalue()).arrays, wanted)


# --- what is refused ---

EVIL = [
    ("posix", "system", "touch executed"), ("builtins", "eval", "1"), ("__builtin__", "exec", "1"), ("os", "remove", "x"),
    ("torch", "load", "x"), ("torch.storage", "_load_from_bytes", b"x"), ("torch.FloatStorage", "from_file", "x"),
    ("collections", "Counter", "x"), ("torch", "os.system", "x"), ("torch.nn.modules.conv", "Conv2d", 1),
]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("module,name,argument", EVIL)
def test_a_pickle_that_asks_for_anything_else_is_refused_by_its_name(
    tmp_path, monkeypatch, form, protocol, module, name, argument
):
    monkeypatch.chdir(tmp_path)
    mapping, storages = tensors_of(arrays())
    mapping["evil"] = Call(module, name, argument)
    message = refusal(tmp_path, FORMS[form]({"state_dict": mapping}, storages, protocol))
    assert f"asks for {module}.{name}, which is never loaded or called" in message
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_names_of_the_table_are_never_called(tmp_path, monkeypatch):
    """Objects that are not made: an Inert stands for each, and nothing else can be had of them."""
    for path in ("argparse.Namespace", "numpy.dtype", "collections.OrderedDict"):
        monkeypatch.setattr(path, lambda *arguments: pytest.fail("called"))
    value, _ = read_pickle(
        pickled([Call("argparse", "Namespace"), Call("numpy", "dtype", "f8"), Mapping(a=1)])
    )
    assert value[2] == {"a": 1}
    assert [type(each).__name__ for each in value[:2]] == ["Inert", "Inert"]


def tensor_of(storage=None, offset=0, shape=(3,), strides=(1,)):
    storage = storage or Storage("0", np.zeros(3, np.float32))
    return zip_form({"w": Tensor(storage, offset, shape, strides)}, [Storage("0", np.zeros(3, np.float32))])


BAD_TENSORS = {
    "beyond": (dict(shape=(4,)), "w: expected a tensor in its storage of 3 numbers"),
    "behind": (dict(offset=1), "w: expected a tensor in its storage"),
    "stepping out": (dict(strides=(2,)), "w: expected a tensor in its storage"),
    "repeated": (dict(shape=(10**6, 10**6), strides=(0, 0)), "w: expected at most the 3 numbers of its storage"),
    "empty": (dict(shape=(0,)), "w: expected a tensor in its storage"),
    "axes": (dict(shape=(1,) * 9, strides=(1,) * 9), "w: expected one storage, and as many strides as axes"),
    "strides": (dict(strides=()), "w: expected one storage, and as many strides as axes"),
    "negative": (dict(offset=-1), "expected a tensor's storage, offset, shape and strides"),
    "texts": (dict(shape=("3",)), "expected a tensor's storage, offset, shape and strides"),
    "true": (dict(offset=True), "expected a tensor's storage, offset, shape and strides"),
    "more numbers": (
        dict(storage=Storage("0", np.zeros(4, np.float32))),
        "storage 0: expected 4 numbers of <f4, got 12 bytes",
    ),
    "other type": (dict(storage=Storage("0", np.zeros(3))), "storage 0: expected 3 numbers of <f8, got 12 bytes"),
    "missing": (dict(storage=Storage("1", np.zeros(3, np.float32))), "archive/data/1 is not there"),
    "upwards": (dict(storage=Storage("../data.pkl", np.zeros(3, np.float32))), "archive/data/../data.pkl is not"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TENSORS)
def test_a_tensor_that_contradicts_its_storage_is_refused(tmp_path, case):
    arguments, words = BAD_TENSORS[case]
    assert words in refusal(tmp_path, tensor_of(**arguments))


def zipped(body, deflate=False, **members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", body)
        for name, content in members.items():
            file.writestr(f"archive/{name}", content)
    return archive.getvalue()


def nested(levels):
    """Tuples in tuples, each twice in the next: their hash would take 2^levels steps."""
    return b"\x80\x02}()" + b"q\x000" + b"h\x00h\x00\x86q\x000" * levels + b"h\x00Nu."


BAD_PICKLES = {
    "empty": (b"", "expected 1 more bytes at byte 0"),
    "protocol 0": (b"(dp0\n.", "opcode 0x64 at byte 1 is not read"),
    "protocol 5": (b"\x80\x05N.", "expected protocol 2, 3 or 4, got 5"),
    "no end": (b"\x80\x02}", "expected 1 more bytes"),
    "nothing": (b"\x80\x02.", "expected one value at its end, got 0"),
    "two values": (b"\x80\x02NN.", "expected one value at its end, got 2"),
    "mark alone": (b"\x80\x02(.", "expected a value on the stack"),
    "no mark": (b"\x80\x02t.", "expected a mark"),
    "memo": (b"\x80\x02h\x05.", "value 5 of the memo is not there"),
    "long text": (b"\x80\x02X\xff\xff\xff\xffabc.", "expected 4294967295 more bytes"),
    "no text": (b"\x80\x02X\x01\0\0\0\xff.", "invalid start byte"),
    "long name": (b"\x80\x02c" + b"a" * 1000 + b"\nb\n.", "expected a name of at most 255 bytes"),
    "call of a number": (b"\x80\x02K\x01)R.", "expected name before byte 6, got int"),
    "call of a text": (b"\x80\x02X\x02\0\0\0os)R.", "expected name before"),
    "keys of tuples": (nested(60), "expected a mapping's keys to be texts or ints"),
    "colliding keys": (b"\x80\x02}(\x8a\x09" + bytes(8) + b"\x01Nu.", "expected a mapping's keys to be texts or ints"),
    "key alone": (b"\x80\x02}(K\x01u.", "got a key without a value"),
    "state of a list": (b"\x80\x02]}b.", "expected no state of list"),
    "an INST": (b"\x80\x02(ios\nsystem\n.", "opcode 0x69 at byte 3 is not read"),
    "an EXT1": (b"\x80\x02\x82\x01.", "opcode 0x82 at byte 2 is not read"),
    "a text as storage": (b"\x80\x02X\x01\0\0\0aQ.", "expected tuple before"),
    "another reference": (b"\x80\x02X\x01\0\0\0a\x85Q.", "expected a tensor's storage, got another reference"),
    "no mapping": (pickled([1, 2]), "expected tensors by name, got list"),
    "no tensors": (pickled({"a": 1}), "expected tensors by name, got none"),
    "numbers as names": (pickled({1: 2}), "got numbers in place of names"),
    "many opcodes": (b"\x80\x02" + b"N0" * (MAX_OPCODES // 2) + b"N.", f"expected at most {MAX_OPCODES} opcodes"),
    "odd arguments": (pickled(Call("torch._utils", "_rebuild_tensor_v2", 1)), "expected a tensor's storage"),
    "odd mapping": (pickled(Call("collections", "OrderedDict", 1)), "OrderedDict has other arguments"),
    "name as value": (pickled({"state_dict": Global("torch", "FloatStorage")}), "expected tensors by name, got none"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PICKLES)
def test_a_pickle_that_is_no_plain_data_is_refused(tmp_path, case):
    body, words = BAD_PICKLES[case]
    assert words in refusal(tmp_path, zipped(body))


def test_a_mapping_that_holds_itself_is_read_to_its_end(tmp_path):
    for body in (b"\x80\x02}q\x00X\x01\0\0\0ah\x00s.", b"\x80\x02]q\x00h\x00a."):
        assert "expected tensors by name, got" in refusal(tmp_path, zipped(body))


def test_a_program_of_damaged_opcodes_is_refused_or_read():
    """Nothing but a ValueError comes of it, soon, whatever the opcodes are."""
    chance, opcodes = random.Random(0), list(OPCODES)
    mapping, _ = tensors_of(arrays())
    whole = pickled(
        {"state_dict": mapping, "args": Call("argparse", "Namespace"), "state": {0: [1, (2.0, None)]}}
    )
    counts = {"read": 0, "refused": 0}
    for _ in range(2000):
        body = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4))):
            place, other = chance.randrange(len(body)), chance.randrange(len(body))
            length = chance.randrange(1, 30)
            body[place : place + chance.choice((0, 1, length))] = chance.choice(
                (bytes([chance.choice(opcodes)]), chance.randbytes(1), body[other : other + length], b"")
            )
        try:
            read_pickle(bytes(body))
            counts["read"] += 1
        except ValueError:
            counts["refused"] += 1
    assert min(counts.values()) > 50


OLD_HEAD = b"".join(
    pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)
BAD_FILES = {
    "plain pickle": (pickle.dumps({"w": [1.0]}), "expected a file of torch.save, got another pickle"),
    "big-endian": (OLD_HEAD.replace(b"\x88", b"\x89"), "expected little-endian numbers"),
    "cut": (OLD_HEAD, "expected 1 more bytes at byte 0"),
    "no keys": (OLD_HEAD + pickle.dumps({}, 2) + pickle.dumps(3, 2), "expected a list of storages"),
    "unnamed": (OLD_HEAD + pickle.dumps({}, 2) + pickle.dumps(["0"], 2), "storage 0: expected one that a tensor names"),
    "behind its end": (OLD_HEAD + pickle.dumps({}, 2) + pickle.dumps([], 2) + b"x", "expected storages of"),
    "two objects": (zipped(pickled({}), **{"more/data.pkl": b""}), "expected one member data.pkl, got 2"),
    "big-endian zip": (zipped(pickled({}), byteorder=b"big"), "expected little-endian numbers"),
    "bomb": (zipped(pickled({}), deflate=True, zeros=bytes(10**7)), "expected members of at most 100 times its size unpacked"),
    "zip without an end": (zipped(pickled({}))[:-5], "archive: File is not a zip file"),
    "page": (b"<!DOCTYPE html><html></html>", "got a web page"),
    "text": (b"hello, this is text", "expected a PyTorch, NumPy (.npz), safetensors or Keras HDF5 file, got 19 bytes"),
    "nothing": (b"", "got 0 bytes of something else"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_holds_no_weights_is_refused(tmp_path, case):
    data, words = BAD_FILES[case]
    assert words in refusal(tmp_path, data)


def test_an_old_file_whose_counts_lie_is_refused(tmp_path):
    mapping, storages = tensors_of({"w": np.zeros(3, np.float32)})
    whole = FORMS["old"](mapping, storages)
    for count in (0, 2, 4, 2**40, 2**62, 2**64 - 1):
        lying = whole[: -12 - 8] + struct.pack("<Q", count) + whole[-12:]
        assert "expected storages of" in refusal(tmp_path, lying)


def npz(**members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return archive.getvalue()


def npy(header, content=b"", version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + content


OBJECTS = io.BytesIO()
np.save(OBJECTS, np.array([print], object))
F3 = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
BAD_ARRAYS = {
    "objects": (OBJECTS.getvalue(), "expected an array of numbers, got a header"),
    "code": (npy("__import__('os').system('touch executed')"), "expected an array of numbers"),
    "structure": (npy(F3.replace("'<f4'", "[('a', '<f4')]"), bytes(12)), "expected an array of numbers"),
    "short": (npy(F3, bytes(11)), "expected the bytes of shape (3,) and type float32, got 11"),
    "huge": (npy(F3.replace("3,", "999999999999, 999999999999"), bytes(12)), "expected the bytes of shape"),
    "magic": (b"NUMPY" * 9, "expected a NumPy array of version 1, 2 or 3"),
    "version": (npy(F3, bytes(12), 4), "expected a NumPy array of version 1, 2 or 3"),
    "header": (b"\x93NUMPY\x02\0\xff\xff\xff\xff", "expected a header of at most 1024 bytes, got 4294967295"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_that_is_no_plain_array_is_refused(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    content, words = BAD_ARRAYS[case]
    assert words in refusal(tmp_path, npz(good=npy(F3, bytes(12)), w=content))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("names", [["a" * 501], [str(i) for i in range(10_001)], []])
def test_names_are_bounded(tmp_path, names):
    data = safetensors.numpy.save({name: np.zeros(1, np.float32) for name in names})
    words = refusal(tmp_path, data)
    assert f"expected 1 to 10000 arrays with names of at most 500 characters, got {len(names)}" in words


# --- HDF5, where h5py is installed ---


@pytest.mark.skipif(bool(importlib.util.find_spec("h5py")), reason="h5py is installed")
def test_without_h5py_an_hdf5_file_is_refused_with_the_way_to_read_it(tmp_path):
    message = refusal(tmp_path, b"\x89HDF\r\n\x1a\n" + bytes(40))
    assert "expected h5py, which reads HDF5 files" in message and "pip install h5py" in message


def hdf5(make):
    """Bytes of an HDF5 file that `make` fills."""
    h5py = pytest.importorskip("h5py")
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        make(h5py, file)
    return data.getvalue()


def test_an_hdf5_file_gives_arrays_by_layer_and_variable(tmp_path):
    kernel, gamma = np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6), np.ones(6, np.float32)

    def make(h5py, file):
        file["model_weights/quant_conv2d/quant_conv2d/kernel:0"] = kernel
        file.create_dataset("model_weights/bn/bn/gamma:0", data=gamma, compression="gzip", shuffle=True)
        file["optimizer_weights/x"] = gamma

    found = read(tmp_path, hdf5(make))
    assert found.keras
    assert_equal(
        {name: found.arrays[name] for name in sorted(found.arrays)},
        {"bn/gamma": gamma, "quant_conv2d/kernel": kernel},
    )


def loop(h5py, file):
    group = file.create_group("g")
    group["g"] = group


HOSTILE_HDF5 = {
    "link to another file": lambda h5py, file: file.__setitem__("a", h5py.ExternalLink("/etc/hostname", "/")),
    "soft link": lambda h5py, file: file.__setitem__("a", h5py.SoftLink("/b")),
    "numbers elsewhere": lambda h5py, file: file.create_dataset("a", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
    "texts": lambda h5py, file: file.create_dataset("a", (2,), h5py.string_dtype()),
    "bomb": lambda h5py, file: file.create_dataset("a", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip"),
    "other filter": lambda h5py, file: file.create_dataset("a", (100,), "f4", compression="lzf"),
    "loop": loop,
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_HDF5)
def test_an_hdf5_file_that_leads_out_of_itself_is_refused(tmp_path, case):
    assert "HDF5: " in refusal(tmp_path, hdf5(HOSTILE_HDF5[case]))
