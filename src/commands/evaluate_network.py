"""Evaluation of a checkpoint, or predictions with it, in MindSpore."""

import sys

from src.commands.build import check_batch, load_checkpoint, start_device, trained_network
from src.commands.predict import check_plot, names_of, show_predictions
from src.commands.score import show_score
from src.common.output import expect_stdout
from src.data import transform_of
from src.data.transform import Normalize
from src.learn.evaluate import padded
from src.learn.forward import ForwardPass
from src.learn.graph_cache import graph_identity
from src.learn.parallel import start_workers
from src.learn.progress import log
from src.settings.config import to_flat


def evaluate_network(args, config):
    """The exit code of an evaluation or prediction. args, config: the command line of eval.py and its settings."""
    expect_stdout()
    check_plot(args)
    check_batch(config, images=1)
    start_device(config)
    workers = start_workers()
    network = trained_network(config)
    load_checkpoint(network, config.checkpoint.path)

    def note(text):
        """On stderr: stdout holds the result alone."""
        if workers.first:
            log(f"{config.model.name}: {text}", sys.stderr)

    transform, size = transform_of(config.data), min(config.data.eval_batch_size, len(args.image or ()))
    normalize = Normalize(transform)

    def logits_of(middles):
        return predict(padded(normalize(middles.transpose(0, 3, 1, 2)), size))[: len(middles)]

    identity = graph_identity(to_flat(config), workers, [network])
    predict = ForwardPass(network, "the forward pass", note, identity)
    names = names_of(config.data.class_names, config.model.num_classes, "the network")
    if args.image and not workers.first:
        return 0
    if args.image:
        return show_predictions(names, logits_of, transform, args, size)
    return show_score(config, predict, workers, args)
