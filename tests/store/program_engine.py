"""Run by the tests as a separate process, to be killed: the real engine in the middle of a run."""

import asyncio
import logging
import sys
from pathlib import Path

from ael_otel.config import load_settings
from ael_otel.demo.example import write_example
from ael_otel.instrument.engine import open_application, run_workflow
from ael_otel.runtime import start


async def main(folder: Path) -> None:
    """Do one run to its end and begin one that takes long; the store is the configured one."""
    logging.disable(logging.CRITICAL)
    config = write_example(folder / "demo")
    start(load_settings(config))
    app = await open_application(config, log_output=sys.stderr)
    await run_workflow(app, "hello", {})
    await run_workflow(app, "too_slow", {})


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
