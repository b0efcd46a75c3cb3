"""``python -m nncore``: the same program as ``nncore``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
