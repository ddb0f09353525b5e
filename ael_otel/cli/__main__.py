"""`python -m ael_otel.cli`: the same as the console script `ael`."""

from ael_otel.cli import main

# The sandbox's child processes import the main module: without the guard, each would run the command line again.
if __name__ == "__main__":
    main()
