"""``python -m mia_sklearn``: the command line, where ``mia-sklearn`` is not on the path."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
