"""What a person did wrong, told in one line."""


class UserError(Exception):
    """Bad input. Its message names what was wrong, where, and what to do about it.

    The command line prints the message and exits with code 2, without a traceback.
    """
