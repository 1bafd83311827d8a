"""A checkpoint's tensors in a network: what fits, what is left aside, what is refused."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from src.checkpoint.file import parameters_of, read_checkpoint, save_checkpoint
from src.checkpoint.heads import head_names
from src.checkpoint.loading import QUANTIZER_PARAMETERS, load_weights
from src.commands.build import build_network, load_checkpoint
from src.commands.stage_inputs import check_stage_inputs, init_weights
from src.common.errors import InputError
from src.model import create_model
from src.settings.config import load_config
from tests.checkpoint.small import Net, assert_equal, numbers


def test_load_weights_sets_every_parameter(saved):
    other = Net()
    assert load_weights(other, read_checkpoint(saved[1]), saved[1]) == ""
    assert_equal(numbers(parameters_of(other)), numbers(parameters_of(saved[0])))


def test_networks_loaded_from_one_dict_share_no_memory(saved):
    params = read_checkpoint(saved[1])
    before = numbers(params)
    first, second = Net(), Net()
    load_weights(first, params, saved[1])
    load_weights(second, params, saved[1])
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
    load_weights(other, params, saved[1])
    assert other.head.weight.dtype == ms.float32
    np.testing.assert_array_equal(
        other.head.weight.asnumpy(), params["head.weight"].asnumpy().astype(np.float32)
    )
    params["head.bias"] = ms.Tensor(np.zeros(10, np.int32))
    with pytest.raises(InputError, match=r"head.bias: expected \(10,\) Float32, found \(10,\) Int32"):
        load_weights(other, params, saved[1])


def test_every_mismatch_is_listed_with_the_nearest_name_and_nothing_is_loaded(saved):
    params = read_checkpoint(saved[1])
    params["boby.weight"] = params.pop("body.weight")
    params["body.bias"] = ms.Tensor(np.zeros((7,), np.float32))
    other = Net()
    before = numbers(parameters_of(other))
    with pytest.raises(InputError) as error:
        load_weights(other, params, "some.ckpt")
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
        load_weights(saved[0], params, "other.ckpt")
    assert "(0 of 5 parameters do); 5 missing in the checkpoint: " in str(error.value)
    assert "18 unexpected in the checkpoint: conv0.weight" in str(error.value)
    assert str(error.value).endswith("conv5.weight and 12 more")


def test_another_class_count_gets_its_own_sentence(saved):
    with pytest.raises(InputError) as error:
        load_weights(Net(classes=100), read_checkpoint(saved[1]), saved[1])
    assert str(error.value).startswith(
        f"checkpoint {saved[1]}: expected 100 classes, got 10: all parameters fit but the head's "
        "(head.weight, head.bias); set model.num_classes"
    )


def test_a_stage_that_hands_on_is_told_how_to_start_a_new_head(saved):
    with pytest.raises(InputError) as error:
        between_stages(Net(classes=7), read_checkpoint(saved[1]), "a.ckpt", key="stages.step2.init_head")
    assert str(error.value).endswith(
        "take data with as many classes; stages.step2.init_head=new takes all but these and starts a new head"
    )


@pytest.mark.parametrize("layer", ["dense", "conv", "several"])
def test_heads_of_any_kind_differ_by_the_class_count(layer):
    with pytest.raises(InputError, match="expected 7 classes, got 10: all parameters fit but the head's"):
        load_weights(Heads(layer, 7), parameters_of(Heads(layer, 10)), "a.ckpt")


class Heads(nn.Cell):
    """A body of 7 channels and as many outputs as there are classes: by one layer, a 1x1 convolution, or two layers."""

    def __init__(self, layer, classes):
        super().__init__()
        if layer == "several":
            self.aux = nn.Dense(5, classes)
        self.body = nn.Dense(3, 7)
        self.last = nn.Conv2d(7, classes, 1, has_bias=True) if layer == "conv" else nn.Dense(7, classes)


def test_another_width_is_not_taken_for_another_class_count(saved):
    with pytest.raises(InputError, match="does not fit the network") as error:
        load_weights(Net(width=5), read_checkpoint(saved[1]), saved[1])
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
        load_weights(saved[0], params, saved[1])


def test_what_is_optional_may_be_on_either_side_alone(saved):
    params = read_checkpoint(saved[1])
    del params["rsign.bias"]
    params["more.shift"] = ms.Tensor([1.0])
    other = filled(Net(), 5)
    bias = other.rsign.bias.asnumpy().copy()
    load_weights(other, params, saved[1], optional=("rsign.bias", ".shift"))
    np.testing.assert_array_equal(other.rsign.bias.asnumpy(), bias)
    np.testing.assert_array_equal(other.body.weight.asnumpy(), params["body.weight"].asnumpy())
    for optional, words in (
        (".shift", "1 missing .*: rsign.bias"),
        ("rsign.bias", "1 unexpected .*: more.shift"),
    ):
        with pytest.raises(InputError, match=words):
            load_weights(other, params, saved[1], optional=(optional,))


def between_stages(network, params, path, **more):
    """The remark on loading the weights of a stage of another precision."""
    return load_weights(network, params, path, QUANTIZER_PARAMETERS, **more)


def test_weights_go_between_full_precision_and_binary_in_both_directions():
    full, binary = filled(Net(rsign=False), 3), Net()
    assert between_stages(binary, parameters_of(full), "full.ckpt") == ""
    np.testing.assert_array_equal(binary.body.weight.asnumpy(), full.body.weight.asnumpy())
    np.testing.assert_array_equal(binary.rsign.bias.asnumpy(), np.zeros(4, np.float32))
    other = Net(rsign=False)
    between_stages(other, parameters_of(binary), "binary.ckpt")
    assert_equal(numbers(parameters_of(other)), numbers(parameters_of(full)))


def test_nothing_else_may_differ_between_stages():
    params = dict(parameters_of(Net(rsign=False)))
    with pytest.raises(InputError, match="1 missing in the checkpoint: rsign.bias"):
        load_weights(Net(), params, "a.ckpt")
    extra = {**params, "other.bias": ms.Tensor([1.0])}
    with pytest.raises(InputError, match="1 unexpected in the checkpoint: other.bias"):
        between_stages(Net(), extra, "a.ckpt")
    del params["body.bias"]
    with pytest.raises(InputError, match="1 missing in the checkpoint: body.bias"):
        between_stages(Net(), params, "a.ckpt")
    with pytest.raises(InputError, match="expected 7 classes, got 10"):
        between_stages(Net(classes=7), parameters_of(Net(rsign=False)), "a.ckpt")


# --- checkpoints of other programs ---


def renamed(params, prefix):
    return {f"{prefix}{name}": value for name, value in params.items()}


def assert_loads(params, said):
    """`params` fill a network with the weights of Net; said: the remark on them."""
    network, weights = filled(Net(), 5), parameters_of(filled(Net(), 3))
    assert load_weights(network, params, "net.ckpt") == said
    assert_equal(numbers(parameters_of(network)), numbers(weights))


def filled(network, seed):
    """A network with seeded numbers."""
    generator = np.random.default_rng(seed)
    for parameter in network.get_parameters():
        parameter.set_data(ms.Tensor(generator.normal(size=parameter.shape).astype(np.float32)))
    return network


@pytest.fixture
def weights():
    return dict(parameters_of(filled(Net(), 3)))


@pytest.mark.parametrize(
    "prefix",
    ["module.", "network.", "backbone.", "_backbone.", "net.", "module.network._backbone.", "x.y.z."],
)
def test_a_prefix_of_all_names_is_taken_off(weights, prefix):
    assert_loads(renamed(weights, prefix), f"checkpoint net.ckpt: names are taken without '{prefix}'")


def test_a_prefix_is_the_networks_own_where_the_names_fit_with_it():
    class Wrapped(nn.Cell):
        def __init__(self):
            super().__init__()
            self.network = Net()

    params = parameters_of(filled(Wrapped(), 3))
    other = filled(Wrapped(), 5)
    assert load_weights(other, params, "a.ckpt") == ""
    assert_equal(numbers(parameters_of(other)), numbers(params))
    assert list(params)[0] == "network.body.weight"


OPTIMIZERS = {
    "Momentum": (
        lambda p: nn.Momentum(p, nn.cosine_decay_lr(0.0, 0.1, 10, 5, 2), 0.9),
        "moments.* (5), global_step, momentum, learning_rate",
    ),
    "SGD": (lambda p: nn.SGD(p, 0.1, 0.9), "accum.* (5), stat.* (5), global_step, learning_rate, momentum"),
    "Adam": (
        nn.Adam,
        "moment1.* (5), moment2.* (5), global_step, learning_rate, beta1_power, beta2_power",
    ),
    "AdamWeightDecay": (nn.AdamWeightDecay, "adam_m.* (5), adam_v.* (5), global_step, learning_rate"),
    "RMSProp": (nn.RMSProp, "mean_square.* (5), moment.* (5), global_step, learning_rate"),
    "AdaFactor": (
        nn.AdaFactor,
        "exp_avg.* (5), exp_avg_sq_row_* (5), exp_avg_sq_col_* (5), exp_avg_sq_* (5), global_step, learning_rate, "
        "afactor_step",
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_an_optimizer_of_mindspore_keeps_is_left_aside(tmp_path, name):
    """As the framework saves a training cell, with its numbers."""
    make, words = OPTIMIZERS[name]
    network = filled(Net(), 3)
    cell = nn.TrainOneStepCell(
        nn.WithLossCell(network, nn.CrossEntropyLoss()), make(network.trainable_params())
    )
    more = {"epoch_num": 3, "step_num": 90, "loss_scale": 1024.0}
    ms.save_checkpoint(cell, str(tmp_path / "a.ckpt"), append_dict=more)
    other = filled(Net(), 5)
    remark = load_weights(other, read_checkpoint(tmp_path / "a.ckpt"), "a.ckpt")
    assert_equal(numbers(parameters_of(other)), numbers(parameters_of(network)))
    said = "checkpoint a.ckpt: left aside what training keeps beside the weights: "
    assert remark == f"{said}{words}, epoch_num, step_num, loss_scale"


class Normed(Net):
    """Net with statistics, which no optimizer holds."""

    def __init__(self):
        super().__init__(rsign=False)
        self.norm = nn.BatchNorm1d(4)


def test_a_training_checkpoint_of_mindcv_gives_its_weights_and_not_their_averages(tmp_path):
    """Its training step puts `optimizer.` before trained weights, and copies of all as averages beside them."""
    from mindcv.optim import create_optimizer
    from mindcv.utils.train_step import TrainStep

    network = filled(Normed(), 3)
    expected = {name: value.copy() for name, value in numbers(parameters_of(network)).items()}
    step = TrainStep(
        nn.WithLossCell(network, nn.CrossEntropyLoss()),
        create_optimizer(network.trainable_params(), "adamw", lr=nn.cosine_decay_lr(0.0, 0.1, 10, 5, 2)),
        scale_sense=nn.DynamicLossScaleUpdateCell(1024.0, 2, 10), ema=True, gradient_accumulation_steps=2,
    )  # fmt: skip
    for weight in step.ema_weight:
        weight.set_data(weight * 0 + 9)
    ms.save_checkpoint(step, str(tmp_path / "a.ckpt"), append_dict={"epoch_num": 3})
    found = read_checkpoint(tmp_path / "a.ckpt")
    assert {
        "optimizer.head.weight",
        "ema.head.weight",
        "norm.moving_mean",
        "ema.norm.moving_mean",
    } <= found.keys()
    other = filled(Normed(), 5)
    remark = load_weights(other, found, "a.ckpt")
    assert numbers(parameters_of(other)).keys() == expected.keys()
    for name, value in numbers(parameters_of(other)).items():
        np.testing.assert_array_equal(value, expected[name])
    assert remark.startswith(
        "checkpoint a.ckpt: names are taken without 'optimizer.'; left aside what training"
    )
    assert "ema.* (8)" in remark


def test_prefix_and_moments_together(weights):
    params = {
        **renamed(weights, "network."), **renamed(weights, "moments.network."), "global_step": ms.Tensor([7]),
        "optimizer.learning_rate.learning_rate": ms.Tensor([0.1, 0.2]),
    }  # fmt: skip
    assert_loads(
        params,
        "checkpoint net.ckpt: names are taken without 'network.'; left aside what training keeps beside the "
        "weights: moments.* (5), global_step, optimizer.learning_rate.learning_rate",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: renamed(p, "moments."), "5 missing in the checkpoint"),
        (lambda p: renamed(p, "optimizer.moment1."), "5 missing in the checkpoint"),
        (lambda p: {**renamed(p, "a."), **renamed(p, "b.")}, "10 unexpected in the checkpoint"),
        (lambda p: {**p, **renamed(p, "net.")}, "5 unexpected in the checkpoint: net.body.weight"),
        (lambda p: {**p, "extra.weight": p["head.bias"]}, "1 unexpected in the checkpoint: extra.weight"),
        (lambda p: {**p, "moments.extra.weight": p["head.bias"]}, "1 unexpected in the checkpoint: moments.ex"),
        (lambda p: {**p, "learning_rate": p["body.weight"]}, "1 unexpected in the checkpoint: learning_rate"),
        (
            lambda p: {n: v for n, v in {**p, "epoch_num": ms.Tensor(3)}.items() if n != "body.bias"},
            "1 missing in the checkpoint: body.bias; 1 unexpected in the checkpoint: epoch_num",
        ),
        (
            lambda p: {**renamed(p, "net."), "net.body.bias": ms.Tensor(np.zeros(7, np.float32))},
            r"1 of another shape or type: body.bias: expected \(4,\) Float32, found \(7,\)",
        ),
    ],
)  # fmt: skip
def test_nothing_is_left_aside_where_the_rest_does_not_fit(weights, change, words):
    network = filled(Net(), 5)
    before = numbers(parameters_of(network))
    with pytest.raises(InputError, match=words):
        load_weights(network, change(weights), "net.ckpt")
    assert_equal(numbers(parameters_of(network)), before)


def test_a_prefix_is_taken_off_between_stages_as_well():
    full, binary = filled(Net(rsign=False), 3), Net()
    between_stages(binary, renamed(parameters_of(full), "module."), "full.ckpt")
    np.testing.assert_array_equal(full.body.weight.asnumpy(), binary.body.weight.asnumpy())
    between_stages(full, renamed(parameters_of(filled(binary, 5)), "module."), "binary.ckpt")
    np.testing.assert_array_equal(full.body.weight.asnumpy(), binary.body.weight.asnumpy())


def test_a_run_state_is_refused_with_the_files_to_take(weights):
    params = {
        **weights, **renamed(weights, "moment1."), "run.epoch": ms.Tensor(3.0), "run.step": ms.Tensor(0.0)
    }  # fmt: skip
    with pytest.raises(
        InputError, match="got the run state of a stage; take best.ckpt or last.ckpt beside it"
    ):
        load_weights(Net(), params, "state.ckpt")


def test_what_was_left_aside_is_one_line_on_stderr(weights, tmp_path, capsys):
    save_checkpoint(tmp_path / "a.ckpt", renamed(weights, "net\x1b."))
    network = filled(Net(), 5)
    load_checkpoint(network, tmp_path / "a.ckpt")
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "\x1b" not in err
    assert err.startswith(f"checkpoint {tmp_path / 'a.ckpt'}: names are taken without 'net")
    assert_equal(numbers(parameters_of(network)), numbers(weights))
    save_checkpoint(tmp_path / "b.ckpt", weights)
    load_checkpoint(network, tmp_path / "b.ckpt")
    assert capsys.readouterr() == ("", "")


# --- numbers that are not finite ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_weights_that_are_not_finite_are_refused_by_name(weights, value, kind):
    arrays = {name: parameter.asnumpy().astype(kind) for name, parameter in weights.items()}
    arrays["rsign.bias"][2], arrays["head.weight"][3, 1] = value, value
    params = {name: ms.Tensor(array) for name, array in arrays.items()}
    network = filled(Net(), 5)
    before = numbers(parameters_of(network))
    with pytest.raises(InputError) as error:
        load_weights(network, params, "net.ckpt")
    assert str(error.value) == f"checkpoint net.ckpt: expected finite numbers, got {value} in rsign.bias"
    assert_equal(numbers(parameters_of(network)), before)


def test_numbers_beyond_the_networks_type_are_not_finite(weights):
    params = {name: ms.Tensor(value.asnumpy().astype(np.float64)) for name, value in weights.items()}
    params["head.bias"] = ms.Tensor(np.full(10, -1e39))
    with pytest.raises(InputError, match="expected finite numbers, got -inf in head.bias"):
        load_weights(Net(), params, "net.ckpt")


def test_only_what_is_loaded_must_be_finite(weights):
    """Moments of a run that went wrong do not matter, nor does what the network lacks."""
    nan = ms.Tensor(np.full(4, np.nan, np.float32))
    params = {**weights, "moments.body.bias": nan, "learning_rate": ms.Tensor(np.float32(np.nan))}
    load_weights(filled(Net(), 5), params, "net.ckpt")
    between_stages(Net(rsign=False), {**weights, "rsign.bias": nan}, "net.ckpt")


def test_published_weights_that_are_not_finite_are_refused(monkeypatch):
    """MindCV loads them by itself."""
    network = filled(Net(), 3)
    network.body.bias.set_data(ms.Tensor(np.array([0, 0, np.inf, 0], np.float32)))
    monkeypatch.setattr("mindcv.create_model", lambda name, num_classes, **given: network)
    config = load_config()
    assert build_network(config, "resnet18", 10, "fp32") is network
    with pytest.raises(
        InputError, match="resnet18, published weights: expected finite numbers, got inf in body.bias"
    ):
        build_network(config, "resnet18", 10, "fp32", published_or="init=FILE")


# --- a new head ---


def assert_new_head(network, params, heads, said):
    """All but `heads` is loaded from params, these keep their numbers; said: the end of the remark."""
    before = numbers(parameters_of(network))
    classes = before[heads[0]].shape[0]
    remark = between_stages(network, params, "a.ckpt", new_head=classes)
    for name, value in numbers(parameters_of(network)).items():
        expected = before[name] if name in heads else params[name].asnumpy()
        np.testing.assert_array_equal(value, expected, name)
        assert not np.array_equal(value, params[name].asnumpy() if name in heads else before[name]), name
    assert remark == f"checkpoint a.ckpt: {', '.join(heads)} keep their random numbers for {said}"


@pytest.mark.parametrize(
    ("layer", "heads"),
    [
        ("dense", ["last.weight", "last.bias"]),
        ("conv", ["last.weight", "last.bias"]),
        ("several", ["aux.weight", "aux.bias", "last.weight", "last.bias"]),
    ],
)
def test_a_new_head_keeps_its_numbers_and_all_else_is_loaded(layer, heads):
    """Also where a body of 7 channels has as many outputs as there are classes."""
    params = parameters_of(filled(Heads(layer, 10), 3))
    said = "7 classes (the checkpoint has 10 classes)"
    assert_new_head(filled(Heads(layer, 7), 5), params, heads, said)


def test_a_new_head_is_new_for_as_many_classes_too():
    params = parameters_of(filled(Heads("dense", 7), 3))
    said = "7 classes (the checkpoint has 7 classes)"
    assert_new_head(filled(Heads("dense", 7), 5), params, ["last.weight", "last.bias"], said)


def test_a_new_head_needs_none_in_the_checkpoint():
    params = dict(parameters_of(filled(Net(), 3)))
    del params["head.weight"], params["head.bias"]
    network = filled(Net(classes=4), 5)
    before = numbers(parameters_of(network))
    remark = between_stages(network, renamed(params, "backbone."), "a.ckpt", new_head=4)
    np.testing.assert_array_equal(network.head.weight.asnumpy(), before["head.weight"])
    np.testing.assert_array_equal(network.body.weight.asnumpy(), params["body.weight"].asnumpy())
    assert remark == (
        "checkpoint a.ckpt: names are taken without 'backbone.'; head.weight, head.bias keep their random numbers "
        "for 4 classes (the checkpoint has no such layer)"
    )


def test_a_head_that_stays_may_be_anything_in_the_checkpoint():
    params = dict(parameters_of(filled(Net(), 3)))
    params["head.weight"] = ms.Tensor(np.full((10, 4), np.nan, np.float32))
    between_stages(Net(classes=4), params, "a.ckpt", new_head=4)


def test_a_new_head_excuses_nothing_else(weights):
    network = filled(Net(classes=4, width=5), 5)
    before = numbers(parameters_of(network))
    with pytest.raises(InputError, match=r"body.weight: expected \(5, 3\) Float32, found \(4, 3\)"):
        between_stages(network, weights, "a.ckpt", new_head=4)
    with pytest.raises(InputError, match="1 unexpected in the checkpoint: other.weight"):
        between_stages(
            Net(classes=4), {**weights, "other.weight": weights["body.weight"]}, "a.ckpt", new_head=4
        )
    assert_equal(numbers(parameters_of(network)), before)
    with pytest.raises(InputError, match="expected a network with a last layer of 6 outputs, found none"):
        between_stages(Net(), weights, "a.ckpt", new_head=6)


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("squeezenet1_1", ["classifier.1.weight", "classifier.1.bias"]),
        ("crossvit_9", ["head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"]),
    ],
)
def test_the_heads_of_mindcvs_models_are_found(name, heads):
    import mindcv

    own, theirs = (parameters_of(mindcv.create_model(name, num_classes=k)) for k in (7, 10))
    assert list(head_names(own, theirs, 7)) == heads
    assert list(head_names(own, own, 7)) == heads[-2:]


@pytest.mark.parametrize("name", ["bimlp_t", "wave_mlp_nano"])
def test_the_heads_of_this_projects_models_are_found(name):
    own = parameters_of(create_model(name, 8, "fp32", widths=(8,), depths=(1,)))
    assert head_names(own, own, 8) == ("head.weight", "head.bias")


# --- in a stage ---


def test_a_stage_starts_a_new_head_by_its_setting(tmp_path, capsys):
    save_checkpoint(tmp_path / "a.ckpt", parameters_of(filled(Net(), 3)))
    given = f"stages.step2.init={tmp_path / 'a.ckpt'}"
    for config in (
        load_config(None, [given, "stages.step2.init_head=new"]),
        load_config(None, ["stages.step2.init_head=new"], {"checkpoint.path": str(tmp_path / "a.ckpt")}),
    ):
        network = filled(Net(classes=4), 5)
        head = network.head.weight.asnumpy().copy()
        init_weights(config, "step2", network, True, tuple("abcd"))
        np.testing.assert_array_equal(network.head.weight.asnumpy(), head)
        np.testing.assert_array_equal(network.body.weight.asnumpy(), filled(Net(), 3).body.weight.asnumpy())
        assert "head.weight, head.bias keep their random numbers for 4 classes" in capsys.readouterr().err
    with pytest.raises(InputError, match="got 10: .*; stages.step2.init_head=new takes all but these"):
        init_weights(load_config(None, [given]), "step2", Net(classes=4), True, tuple("abcd"))


def test_a_new_head_without_first_weights_is_refused(tmp_path):
    new = "stages.teacher.init_head=new"
    (tmp_path / "a.ckpt").write_bytes(b"x")
    with pytest.raises(InputError) as error:
        check_stage_inputs(load_config(None, [new]), ("teacher",))
    assert str(error.value) == (
        "stages.teacher.init_head: expected same, for the stage starts from random weights (no stages.teacher.init and "
        "no checkpoint), got new"
    )
    check_stage_inputs(load_config(None, [new], {"checkpoint.path": str(tmp_path / "a.ckpt")}), ("teacher",))
    check_stage_inputs(load_config(None, [new, f"stages.teacher.init={tmp_path / 'a.ckpt'}"]), ("teacher",))
    untaught = ["stages.step1.teacher=", "stages.step2.teacher="]
    check_stage_inputs(load_config(None, ["stages.step2.init_head=new", *untaught]), ("step1", "step2"))
    later = load_config(None, ["stages.step1.init_head=new"], {"checkpoint.path": str(tmp_path / "a.ckpt")})
    with pytest.raises(InputError, match="stages.step1.init_head"):
        check_stage_inputs(later, ("teacher", "step1"))
