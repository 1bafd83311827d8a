"""A checkpoint's tensors in a network: what fits, what is left aside, what is refused."""

import mindspore as ms
import numpy as np
import pytest

from src.checkpoint import parameters_of, read_checkpoint
from src.errors import InputError
from src.loading import hand_on, load_into
from tests.ground.small import Net, assert_equal, numbers


def test_load_into_sets_every_parameter(saved):
    other = Net()
    report = load_into(other, read_checkpoint(saved[1]), saved[1])
    assert (report.loaded, report.missing, report.unexpected) == (5, (), ())
    assert_equal(numbers(parameters_of(other)), numbers(parameters_of(saved[0])))


def test_networks_loaded_from_one_dict_share_no_memory(saved):
    params = read_checkpoint(saved[1])
    before = numbers(params)
    first, second = Net(), Net()
    load_into(first, params, saved[1])
    load_into(second, params, saved[1])
    for parameter in first.get_parameters():
        ms.ops.assign_add(parameter, ms.ops.ones_like(parameter))
    assert_equal(numbers(parameters_of(second)), before)
    assert_equal(numbers(params), before)


def test_another_float_width_is_converted_and_an_integer_is_not(saved):
    params = {
        name: ms.Tensor(value.asnumpy().astype(np.float16))
        for name, value in read_checkpoint(saved[1]).items()
    }
    other = Net()
    load_into(other, params, saved[1])
    assert other.head.weight.dtype == ms.float32
    np.testing.assert_array_equal(
        other.head.weight.asnumpy(), params["head.weight"].asnumpy().astype(np.float32)
    )
    params["head.bias"] = ms.Tensor(np.zeros(10, np.int32))
    with pytest.raises(InputError, match=r"head.bias: expected \(10,\) Float32, found \(10,\) Int32"):
        load_into(other, params, saved[1])


def test_every_mismatch_is_listed_with_the_nearest_name_and_nothing_is_loaded(saved):
    params = read_checkpoint(saved[1])
    params["boby.weight"] = params.pop("body.weight")
    params["body.bias"] = ms.Tensor(np.zeros((7,), np.float32))
    other = Net()
    before = numbers(parameters_of(other))
    with pytest.raises(InputError) as error:
        load_into(other, params, "some.ckpt")
    assert str(error.value) == (
        "checkpoint some.ckpt does not fit the network (3 of 5 parameters do); "
        "1 missing in the checkpoint: body.weight (nearest: boby.weight); "
        "1 unexpected in the checkpoint: boby.weight (nearest: body.weight); "
        "1 of another shape or type: body.bias: expected (4,) Float32, found (7,) Float32"
    )
    assert_equal(numbers(parameters_of(other)), before)


def test_long_lists_are_cut(saved):
    params = {f"conv{index}.weight": ms.Tensor([1.0]) for index in range(18)}
    with pytest.raises(InputError) as error:
        load_into(saved[0], params, "other.ckpt")
    assert "(0 of 5 parameters do); 5 missing in the checkpoint: " in str(error.value)
    assert "18 unexpected in the checkpoint: conv0.weight" in str(error.value)
    assert str(error.value).endswith("conv5.weight and 12 more")


def test_another_class_count_gets_its_own_sentence(saved):
    with pytest.raises(InputError) as error:
        load_into(Net(classes=100), read_checkpoint(saved[1]), saved[1])
    assert str(error.value).startswith(
        f"checkpoint {saved[1]}: expected 100 classes, came 10: all parameters fit but the head's "
        "(head.weight, head.bias); set model.num_classes"
    )


def test_another_width_is_not_taken_for_another_class_count(saved):
    with pytest.raises(InputError, match="does not fit the network") as error:
        load_into(Net(width=5), read_checkpoint(saved[1]), saved[1])
    assert "classes" not in str(error.value)
    assert "head.weight: expected (10, 5) Float32, found (10, 4) Float32" in str(error.value)


@pytest.mark.parametrize(
    "shapes",
    [
        {"head.weight": (100, 5), "head.bias": (100,)},
        {"body.weight": (7, 3), "rsign.bias": (7,)},
        {"head.bias": (100,)},
        {"head.weight": (100, 4), "head.bias": (90,)},
    ],
)
def test_only_one_dense_layer_with_other_outputs_is_another_class_count(saved, shapes):
    params = read_checkpoint(saved[1])
    params.update({name: ms.Tensor(np.zeros(shape, np.float32)) for name, shape in shapes.items()})
    with pytest.raises(InputError, match=f"{len(shapes)} of another shape or type: "):
        load_into(saved[0], params, saved[1])


def test_what_may_be_missing_or_ignored_is_reported(saved):
    params = read_checkpoint(saved[1])
    del params["rsign.bias"]
    params["epoch_num"] = ms.Tensor(3)
    other = Net()
    report = load_into(other, params, saved[1], allow_missing=("rsign.bias",), ignore=("epoch_num",))
    assert (report.loaded, report.missing, report.unexpected) == (4, ("rsign.bias",), ("epoch_num",))
    with pytest.raises(InputError, match="1 missing in the checkpoint: rsign.bias;"):
        load_into(other, params, saved[1])


def test_hand_on_between_full_precision_and_binary_in_both_directions():
    full, binary = Net(rsign=False), Net()
    report = hand_on(binary, parameters_of(full), "full.ckpt")
    assert (report.loaded, report.missing, report.unexpected) == (4, ("rsign.bias",), ())
    np.testing.assert_array_equal(binary.body.weight.asnumpy(), full.body.weight.asnumpy())
    np.testing.assert_array_equal(binary.rsign.bias.asnumpy(), np.zeros(4, np.float32))
    report = hand_on(Net(rsign=False), parameters_of(binary), "binary.ckpt")
    assert (report.loaded, report.missing, report.unexpected) == (4, (), ("rsign.bias",))


def test_hand_on_tolerates_nothing_else():
    params = dict(parameters_of(Net(rsign=False)))
    with pytest.raises(InputError, match="1 missing in the checkpoint: rsign.bias"):
        hand_on(Net(), params, "a.ckpt", may_lack=())
    extra = {**params, "other.bias": ms.Tensor([1.0])}
    with pytest.raises(InputError, match="1 unexpected in the checkpoint: other.bias"):
        hand_on(Net(), extra, "a.ckpt")
    del params["body.bias"]
    with pytest.raises(InputError, match="1 missing in the checkpoint: body.bias"):
        hand_on(Net(), params, "a.ckpt")
    with pytest.raises(InputError, match="expected 7 classes, came 10"):
        hand_on(Net(classes=7), parameters_of(Net(rsign=False)), "a.ckpt")
