"""The one exception for what a user can put right."""


class InputError(ValueError):
    """Bad input: the message names the thing, what was expected and what came.

    The entry scripts print it as one line on stderr and end with exit code 2.
    """
