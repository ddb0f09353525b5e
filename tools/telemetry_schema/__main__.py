"""`python -m tools.telemetry_schema VERB`."""

import sys
from collections.abc import Sequence

import click

from tools.telemetry_schema.command import command
from tools.telemetry_schema.errors import SchemaError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when all is well, 1 when something must be corrected, 2 for wrong usage."""
    try:
        status = command.main(
            None if arguments is None else list(arguments),
            prog_name="python -m tools.telemetry_schema",
            standalone_mode=False,
        )
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    sys.exit(main())
