"""What a person did wrong, told in one line."""


def one_line(text: object) -> str:
    """A text on one line, as a terminal can show it: a file's name may hold anything."""
    joined = " ".join(str(text).split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in joined)


class UserError(Exception):
    """Bad input. Its message names what was wrong, where, and what to do about it.

    The command line prints the message and exits with code 2, without a traceback.
    """
