"""Names in checkpoints of other programs: prefixes of wrapped networks, and entries that training keeps beside weights."""

import re
from collections import Counter

MAX_WORDS = 8  # of a prefix
MAX_GROUPS = 12  # groups of entries in a message
# Prefixes of the entries that optimizers and training steps of MindSpore and MindCV hold for each weight: moments, sums of
# gradients, averages
PER_WEIGHT = re.compile(
    r"(?:^|(?<=\.))(moments?[123]?|(adam|lamb|nadam)_[mv]|lion_m|accum(_update)?|stat|linear|vhat|mean_(grad|square)"
    r"|exp_avg(_sq(_row|_col)?)?|prev(_gradient)?|step_size|ax_|mu|eta|grad_accumulation|ema|swap)[._]"
)
OPTIMIZER = "optimizer."  # which MindSpore may put before all that an optimizer holds, weights included
# their other entries: a number, or one per step
SCALARS = {
    "accumulation_step", "afactor_step", "batch_num", "beta1_power", "beta2_power", "current_iterator_step", "epoch",
    "epoch_num", "global_step", "last_overflow_iterator_step", "learning_rate", "loss_scale", "lr", "momentum",
    "mu_schedule", "scale_sense", "step", "step_num", "updates", "weight_decay",
}  # fmt: skip


def match_names(target, shapes, may_lack=(), may_have=()):
    """The names of a checkpoint that a network's parameters have there, and those left aside.

    target: the network's names.
    shapes: name in the checkpoint -> shape.
    may_lack, may_have: endings of names that the checkpoint may lack, and that the network need not have.

    Where the names do not fit as they are, one prefix is looked for without which they do; names without it stay as
    they are, for MindSpore puts `optimizer.` before trained weights alone. Entries of training may stand beside the
    weights, if every weight is there and nothing else is left.

    Returns:
        (name in the checkpoint -> the network's name, names left aside, the prefix), or None where nothing fits.
    """
    target = set(target)
    required = {name for name in target if not name.endswith(tuple(may_lack))}
    for prefix in _prefixes(target, required, shapes):
        names = {name: name.removeprefix(prefix) for name in shapes}
        used = Counter(base for base in names.values() if base in target)
        rest = [name for name, base in names.items() if base not in target]
        aside = [name for name in rest if _kept_by_training(name, prefix, target, shapes[name])]
        foreign = set(rest) - set(aside) - {name for name in rest if names[name].endswith(tuple(may_have))}
        if required <= used.keys() and max(used.values(), default=0) == 1 and not foreign:
            return {name: base for name, base in names.items() if name not in set(aside)}, aside, prefix
    return None


def _prefixes(target, required, names):
    """The prefixes under which all required names may be there: none at first, then by the number of names with them."""
    missing = required - names.keys()
    if not missing:
        return [""]
    counts = Counter()
    for name in names:
        rest = name
        for _ in range(MAX_WORDS):
            _, dot, rest = rest.partition(".")
            if dot and rest in missing:
                counts[name.removesuffix(rest)] += 1
    return [p for p, count in counts.most_common() if count >= len(missing) and not PER_WEIGHT.search(p)]


def _kept_by_training(name, prefix, target, shape):
    """True for the entries of PER_WEIGHT and SCALARS."""
    if name.rpartition(".")[2] in SCALARS and len(shape) < 2:
        return True
    found = False
    for _ in range(MAX_WORDS):
        word = PER_WEIGHT.match(name)
        rest = name[word.end() :] if word else name.removeprefix(prefix).removeprefix(OPTIMIZER)
        if rest in target:
            return found or bool(word)
        if rest == name:
            return False
        name, found = rest, found or bool(word)
    return False


def remarks_on_names(aside, prefix):
    """Remarks on the prefix and the names left aside by `match_names`: a list, empty where the names are the network's."""
    parts = [f"names are taken without {prefix!r}"] if prefix else []
    if aside:
        parts.append(f"left aside what training keeps beside the weights: {_grouped(aside)}")
    return parts


def _grouped(names):
    """Names in words, those of one kind for many weights as "moment1.* (12)"."""
    groups = Counter()
    for name in names:
        word = None if name.rpartition(".")[2] in SCALARS else PER_WEIGHT.search(name)
        groups[f"{name[: word.end()]}*" if word else name] += 1
    texts = [f"{group} ({count})" if count > 1 else group for group, count in groups.most_common()]
    rest = f" and {len(texts) - MAX_GROUPS} more" if len(texts) > MAX_GROUPS else ""
    return ", ".join(texts[:MAX_GROUPS]) + rest
