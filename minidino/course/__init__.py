"""The notebooks: emptying, checking, progress."""

import sys

# nbformat imports jsonschema, and that builds a grammar of international web addresses, three
# seconds of every check. No notebook holds an address to validate: the grammar is not there.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
