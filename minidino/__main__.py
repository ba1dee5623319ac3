"""``python -m minidino``, and the ``minidino`` script."""

import sys
import traceback


def entry() -> None:
    """Run the command line and leave with its exit code."""
    # Imported here so that Ctrl-C during torch's import, which takes seconds, is not a traceback.
    try:
        from minidino.cli import main
        from minidino.distributed import leave, may_speak, world_size
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        code = main()
    except Exception:
        if world_size() == 1:
            raise
        if may_speak():
            traceback.print_exc()
        code = 1
    leave(code)


if __name__ == "__main__":
    entry()
