"""``python -m minidino``, and the ``minidino`` script."""

import sys


def entry() -> None:
    """Run the command line and leave with its exit code."""
    # Imported here so that Ctrl-C during torch's import, which takes seconds, is not a traceback.
    try:
        from minidino.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())


if __name__ == "__main__":
    entry()
