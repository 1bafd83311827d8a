#!/usr/bin/env python
"""Train BiMLP in two steps by distillation: python train.py [--config_path FILE] [section.key=value ...]."""

import sys

from src.settings.command_line import config_from, create_parser, parse, run

DESCRIPTION = (
    "Runs the stages of the config in order (teacher, step1, step2), each into output_dir/<stage>.\n"
    "example: python train.py --config_path config/cifar10.yaml --data_path cifar10 --output_dir output/cifar10"
)


def main(argv):
    """The exit code of the training."""
    config = config_from(parse(create_parser("train.py", DESCRIPTION), argv))
    from src.commands.train import train  # loads the framework: help is quick without it

    return train(config)


if __name__ == "__main__":
    sys.exit(run(main))
