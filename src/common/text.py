"""Text from outside, made fit for a terminal."""

MAX_CHARACTERS = 1000  # of a message


def printable(text):
    """`text` with what is not printable (line ends, terminal escapes, marks that turn the writing direction, bytes of
    a file name that are no UTF-8) written as an escape, as "\\x1b"."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def cut(text, most=MAX_CHARACTERS):
    """`text` where it has at most `most` characters, else its beginning and its end with "..." between them."""
    return text if len(text) <= most else f"{text[: most - most // 3 - 3]}...{text[-(most // 3) :]}"


def one_line(text):
    """`text` as one printable line of at most MAX_CHARACTERS; its lines are joined by spaces."""
    return cut(printable(" ".join(cut(str(text), 8 * MAX_CHARACTERS).splitlines())))
