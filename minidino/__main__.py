"""``python -m minidino``, and the ``minidino`` script."""

import signal
import sys
import traceback


def entry() -> None:
    """Run the command line and leave with its exit code."""
    # Imported here so that Ctrl-C during torch's import, which takes seconds, is not a traceback.
    try:
        from minidino.cli import main
        from minidino.engine.distributed import launched, leave, may_speak, world_size
    except KeyboardInterrupt:
        sys.exit(130)
    if launched() > 1:
        # When one process dies the launcher sends SIGTERM to the others, which have yet to say why
        # they stop. A run receives it by a handler of its own.
        signal.signal(signal.SIGTERM, lambda *_: None)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a program without a console has none
            stream.reconfigure(errors="replace")  # a console may lack a letter of a file's name
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
