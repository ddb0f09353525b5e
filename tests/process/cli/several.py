"""Several command lines of `ael`, each in a fork of one process that has only imported the command line.

Encoding, locale, user and folder are those at the interpreter's start, for each of them as for a separate
process. The argument is the lists of words as JSON, and so is the answer: exit code, stdout and stderr of each.
"""

import base64
import json
import os
import sys
import tempfile

import click

from ael_otel.cli import cli, main


def load(group: click.Group) -> None:
    """Import the module of every verb; imports inside a verb's function happen when it runs."""
    context = click.Context(group)
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        if isinstance(verb, click.Group):
            load(verb)


def run() -> None:
    """Fork for each command line; a fork calls `main` and ends as a program ends."""
    answers = []
    for words in json.loads(sys.argv[1]):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["ael", *words]
                return
            _, status = os.waitpid(child, 0)
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(base64.b64encode(file.read()).decode("ascii"))
        answers.append((os.waitstatus_to_exitcode(status), *said))
    os.write(1, json.dumps(answers).encode("ascii"))
    os._exit(0)


if __name__ == "__main__":
    load(cli)
    run()
    main()
