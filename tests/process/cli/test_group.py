"""The `ael` group in a fresh interpreter: heavy modules stay unloaded."""

import subprocess
import sys


def test_help_loads_nothing_heavy():
    """Neither the engine, nor the SDK, nor rich, nor asyncio, so that help is quick."""
    program = (
        "import sys; sys.argv = ['ael', 'run', '--help']\n"
        "from ael_otel.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'ploston_core', 'opentelemetry', 'rich', 'asyncio', 'msgspec', 'yaml', 'wrapt'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
