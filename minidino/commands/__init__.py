"""What each command of ``minidino`` does; its docstring and arguments are its --help."""
