"""Start, stop and look after the Compose stack: `python deploy/stack.py --help`."""

import sys

from ael_stack.cli import main

if __name__ == "__main__":
    sys.exit(main())
