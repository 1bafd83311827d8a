"""The one exception for what a user can put right, and the words of other exceptions."""


class InputError(ValueError):
    """Bad input: the message names the thing, what was expected and what it got.

    The entry scripts print it as one line on stderr and end with exit code 2.
    """


def first_line(error):
    """The first line of an error's message that holds words, or its type."""
    lines = (line.strip(" -") for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
