"""An OTLP receiver in a separate process, which accepts everything and stores nothing; prints its port."""

import signal
import sys
from pathlib import Path
from threading import Event
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tools.otlp_server import OtlpServer


class Receiver(OtlpServer):
    """Acknowledges each request and forgets it."""

    def take(self, request: Any) -> None:
        """Do nothing."""


if __name__ == "__main__":
    ended = Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    receiver = Receiver()
    print(receiver.port, flush=True)
    ended.wait()
    receiver.stop()
