"""From settings to a device and a network: shared by the commands, imported by nobody else."""

import atexit
import gc
import os
import tempfile

from src.common.errors import InputError
from src.common.output import warn
from src.common.text import one_line
from src.settings.command_line import saved_classes
from src.settings.config import load_config
from src.settings.schema import FORMER_DEFAULTS, keys_with

SIDE_FACTOR = 8  # of a larger image, which tells whether maps grow with it
# of model.compute_type on a CPU: a file for another device can be checked in float16, MindSpore's CPU knows no bfloat16
CPU_TYPES, CPU_EXPORT_TYPES = ("float32",), ("float32", "float16")


def start_device(config):
    """Choose the device and graph mode. Raises InputError when this installation lacks the device."""
    atexit.register(gc.collect)  # cells that live until the interpreter is taken apart complain
    os.environ.setdefault("GLOG_v", "3")  # the framework's warnings are for its developers
    os.environ.setdefault("MS_OM_PATH", tempfile.gettempdir())  # for dumps of graphs when compiling fails
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


def check_batch(config, images):
    """Raises InputError when so many float32 images of data.image_size are more than this machine's memory: the system
    would end the process without a word."""
    size, memory = config.data.image_size, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = images * 3 * size * size * 4
    if needed > memory:
        raise InputError(
            f"data.image_size: expected images that fit the memory of {memory / 2**30:.0f} GiB, got {images} of "
            f"{size} x {size} at once, {needed / 2**30:.0f} GiB"
        )


def build_network(config, name, classes, precision, published_or=None, backend=None, computes=True):
    """create_model with the overrides of the config's model section that this network knows.

    published_or: for MindCV's published weights, the setting by which a file can be given instead, for messages.
    backend: overrides model.backend. computes: False where the network's numbers alone are wanted, whatever this device can
    compute. Raises InputError for what create_model refuses, for published weights that cannot be had or are not finite,
    for images too small for the network, for a type that the device lacks, and for a switch (see Traits) that is set while the
    config's own network, model.name, does not know it.
    """
    from src.checkpoint.file import parameters_of
    from src.checkpoint.loading import require_finite
    from src.checkpoint.published import published
    from src.model import accepted_overrides, create_model, model_names, smallest_image

    known = accepted_overrides(name)
    if computes and "compute_type" in known:
        _check_compute_type(config, CPU_EXPORT_TYPES if backend == "plain" else CPU_TYPES)
    overrides = {k: v for k, v in vars(config.model).items() if k in known}
    if name == config.model.name:
        overrides.update(_further_options(config, known))
    if backend is not None and "backend" in overrides:
        overrides["backend"] = backend

    if published_or is not None:
        overrides["pretrained"] = True

    def create():
        return create_model(name, classes, precision, **overrides)

    try:
        if published_or is None or name in model_names() or precision != "fp32":
            network = create()
        else:
            network = published(name, create, published_or)
    except ValueError as error:
        raise InputError(str(error)) from error
    if published_or is not None:
        require_finite(parameters_of(network), f"{name}, published weights")
    if config.data.image_size < smallest_image(network):
        raise InputError(
            f"data.image_size: {name} expects at least {smallest_image(network)} pixels, got {config.data.image_size}"
        )
    if name == config.model.name:
        defaults = load_config().model
        for key in (switch.removeprefix("model.") for switch in keys_with("switch")):
            value, default = getattr(config.model, key), getattr(defaults, key)
            if key not in known and value not in (default, FORMER_DEFAULTS.get(f"model.{key}")):
                raise InputError(f"model.{key}: {name} has no such switch; expected {default}, got {value}")
    return network


def _further_options(config, known):
    """Options in model.options. Raises InputError for one that has a key of its own or that the network does not have."""
    for option in config.model.options:
        if option in vars(config.model):
            raise InputError(f"model.options: expected options without a key of their own, got {option}")
        if option not in known:
            further = [name for name in known if name not in vars(config.model)]
            raise InputError(
                f"model.options: {config.model.name} expects {', '.join(further) or 'none'}, got {option}"
            )
    return config.model.options


def _check_compute_type(config, types):
    wanted = config.model.compute_type
    if config.device_target == "CPU" and wanted not in types:
        raise InputError(
            f"model.compute_type: expected {' or '.join(types)} on a CPU, for half types are for Ascend and GPU, "
            f"got {wanted}"
        )


def require_norm_values(config, name, classes, precision, workers):
    """Raise InputError where a BatchNorm of a network would see one value per channel in a step of `workers` workers:
    nothing is learnt there."""
    from src.model import accepted_overrides, norms_of_one_value

    together = workers if config.model.sync_bn and "sync_bn" in accepted_overrides(name) else 1
    if config.data.batch_size * together > 1:
        return
    network, size = build_network(config, name, classes, precision, backend="plain"), config.data.image_size
    found = norms_of_one_value(network, size)
    if found:
        advice = f"a larger data.batch_size (now {config.data.batch_size})"
        if not norms_of_one_value(network, SIDE_FACTOR * size):  # others see means over whole maps
            advice += f" or data.image_size (now {size})"
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise InputError(
            f"{name}: BatchNorm in training: expected more than one value per channel, got one in {found[0]}{more}, "
            f"where maps are 1 x 1; give {advice}"
        )


def trained_model(config):
    """(name, precision) of a saved run's network."""
    if config.stage == "all":
        return config.model.name, "binary"
    stage = getattr(config.stages, config.stage)
    return stage.model or config.model.name, stage.precision


def trained_network(config, backend=None, computes=True):
    """The network of a saved run: that of config.stage, or model.name in binary precision for stage "all".

    backend, computes: as of build_network.
    """
    name, precision = trained_model(config)
    if not config.model.num_classes:
        raise InputError("model.num_classes: expected the number of classes of the checkpoint, got 0")
    network = build_network(
        config, name, config.model.num_classes, precision, backend=backend, computes=computes
    )
    network.set_train(False)
    return network


def load_checkpoint(network, path, optional=(), new_head=0, key="", rows=()):
    """Load a checkpoint file into a network, with a line on stderr on what was left aside, for stdout holds results.

    Arguments and errors as of `load_weights`, errors of `read_checkpoint` besides.
    """
    from src.checkpoint.file import read_checkpoint
    from src.checkpoint.loading import load_weights

    remark = load_weights(network, read_checkpoint(path), path, optional, new_head, key, rows)
    if remark:
        warn(one_line(remark))


def head_rows(path, classes, labels):
    """The order of the classes of a checkpoint's head as `load_weights` takes it, by the names in the settings beside it.

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
