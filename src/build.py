"""From settings to a device and a network: what train.py, eval.py and export.py share. Only they import it."""

import atexit
import gc
import os
import sys
import tempfile

from src.cli import saved_classes
from src.config import load_config
from src.errors import InputError
from src.text import one_line

# of the model section: what the paper's ablations vary, and a network without it must not take in silence
SWITCHES = ("branches", "shortcut", "norm", "activation", "downsample", "local_form", "binarizer")


def start_device(config):
    """Choose the device and graph mode. Raises InputError when this installation lacks the device."""
    atexit.register(gc.collect)  # cells that live until the interpreter is taken apart complain
    os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
    os.environ.setdefault("MS_OM_PATH", tempfile.gettempdir())  # where it dumps graphs when compiling fails
    import mindspore as ms

    try:
        ms.set_device(config.device_target)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"device_target: expected a device that this MindSpore installation serves, got {config.device_target}"
        ) from error
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_deterministic(True)
    ms.set_seed(config.seed)


def build_network(config, name, classes, precision, pretrained=False, form=None):
    """create_model with the overrides of the config's model section that this network knows.

    form: overrides model.form. Raises InputError for what create_model refuses, for one of SWITCHES that is set
    while the config's own network, model.name, does not know it, and for published weights that are not finite.
    """
    from src.checkpoint import parameters_of
    from src.loading import require_finite
    from src.model import accepted_overrides, create_model

    known = accepted_overrides(name)
    overrides = {k: v for k, v in vars(config.model).items() if k in known}
    if form is not None and "form" in overrides:
        overrides["form"] = form
    if pretrained:
        overrides["pretrained"] = True
    try:
        network = create_model(name, classes, precision, **overrides)
    except ValueError as error:
        raise InputError(str(error)) from error
    if pretrained:
        require_finite(parameters_of(network), f"{name}, published weights")
    if name == config.model.name:
        defaults = load_config().model
        for key in SWITCHES:
            value, default = getattr(config.model, key), getattr(defaults, key)
            if key not in known and value != default:
                raise InputError(f"model.{key}: {name} has no such switch; expected {default}, got {value}")
    return network


def trained_model(config):
    """(name, precision) of a saved run's network."""
    if config.stage == "all":
        return config.model.name, "binary"
    stage = getattr(config.stages, config.stage)
    return stage.model or config.model.name, stage.precision


def trained_network(config, form=None):
    """The network of a saved run: that of config.stage, or model.name in binary precision for stage "all"."""
    name, precision = trained_model(config)
    if not config.model.num_classes:
        raise InputError("model.num_classes: expected the number of classes of the checkpoint, got 0")
    network = build_network(config, name, config.model.num_classes, precision, form=form)
    network.set_train(False)
    return network


def load_weights(network, path, rows=()):
    """Load a checkpoint whose names and shapes are the network's, and say on stderr what was left aside.

    rows: see `load_into`. Raises InputError for another one.
    """
    from src.checkpoint import read_checkpoint
    from src.loading import load_into

    _tell(load_into(network, read_checkpoint(path), path, rows=rows))


def hand_on_weights(network, path, new_head=0, key="", rows=()):
    """Load a checkpoint of another stage: only what binarizers bring (RSign, RPReLU) may be missing or left over.

    new_head, key, rows: see `load_into`.
    """
    from src.checkpoint import read_checkpoint
    from src.loading import hand_on

    _tell(hand_on(network, read_checkpoint(path), path, new_head=new_head, key=key, rows=rows))


def head_rows(path, classes, labels):
    """The order of the classes of a checkpoint's head as `load_into` takes it, by the names in the settings beside it.

    Args:
        path: the checkpoint.
        classes: the names of the data's classes, in their order.
        labels: data.labels.

    Returns:
        () where the order is the same, nothing is known of the checkpoint's names, they are another number (the head
        does not fit then), or labels are taken by position.

    Raises:
        InputError: other names.
    """
    from src.data.labels import positions

    known = saved_classes(path)
    if labels != "name" or len(known) != len(classes) or known == tuple(classes):
        return ()
    return positions(tuple(classes), known, "data", f"the checkpoint {path}")


def _tell(report):
    """A line on stderr, for stdout holds results, where there is something to say on what was loaded."""
    if report.said and sys.stderr is not None:
        sys.stderr.write(one_line(report.said) + "\n")
