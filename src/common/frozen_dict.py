"""Dict that does not change, and can be hashed."""


class FrozenDict(dict):
    """Dict with text keys that refuses changes. Lists among its values become tuples.

    Raises TypeError for an attempt to change it.
    """

    def __init__(self, values=()):
        super().__init__({key: _frozen(value) for key, value in dict(values).items()})

    def __hash__(self):
        return hash(tuple(sorted(self.items())))

    def _refuse(self, *args, **kwargs):
        raise TypeError(f"expected no change of {dict(self)}")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


def _frozen(value):
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value
