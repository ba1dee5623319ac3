"""The notebooks: emptying, checking, progress."""
