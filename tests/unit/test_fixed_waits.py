"""A test waits for a condition, not for a time."""

from pathlib import Path

import pytest

from tests.support.fixed_waits import LONGEST_S, fixed_waits

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"


def test_tests_wait_for_no_time() -> None:
    """Proves that each wait of half a second or more has its reason, and that a unit test has none."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != Path(__file__)
        for line in fixed_waits(path.read_text("utf-8"), 0.0 if path.is_relative_to(UNIT) else LONGEST_S)
    ]
    assert found == []


WAITS = {
    "a constant": ("import time\ntime.sleep(0.5)\n", [2]),
    "a variable": ("import time\ntime.sleep(pause)\n", [2]),
    "a difference": ("import time\ntime.sleep(max(0.0, end - time.time()))\n", [2]),
    "by name": ("from time import sleep\nsleep(2)\n", [2]),
    "of asyncio": ("async def test():\n    await asyncio.sleep(60)\n", [2]),
    "of a browser": ("page.wait_for_timeout(1_000)\n", [1]),
    "of an event that nobody sets": ("threading.Event().wait(1)\n", [1]),
    "in a for loop": ("for _ in range(3):\n    time.sleep(1)\n", [2]),
    "in a loop that the clock ends": ("while time.monotonic() < end:\n    call()\n    time.sleep(1)\n", [3]),
    "in a function inside a loop": ("while waits():\n    def late():\n        time.sleep(1)\n", [3]),
    "in a program": ('CODE = """\nimport time\ntime.sleep(600)\n"""\n', [3]),
    "in a program, by its argument": ('CODE = "time.sleep(float(sys.argv[1]))"\n', [1]),
    "a mark without a reason": ("time.sleep(1)  # wait:\n", [1]),
}

NOT_WAITS = {
    "short": "time.sleep(0.49)\n",
    "lets others run": "await_(asyncio.sleep(0))\n",
    "between two looks": "while not done():\n    time.sleep(1)\n",
    "between two looks, with a deadline": (
        "while time.monotonic() < end:\n    if done():\n        break\n    time.sleep(1)\n"
    ),
    "between two looks of a program": 'CODE = """\nwhile not done():\n    time.sleep(1)\n"""\n',
    "with a reason": "time.sleep(1)  # wait: the second is the subject\n",
    "an event that another sets": "done.wait(10)\n",
}


@pytest.mark.parametrize("name", WAITS)
def test_wait_for_a_time_is_found(name: str) -> None:
    """Proves that the check rejects each kind of wait, at its line."""
    source, found = WAITS[name]
    assert fixed_waits(source) == found


@pytest.mark.parametrize("name", NOT_WAITS)
def test_wait_for_a_condition_passes(name: str) -> None:
    """Proves that the pause between two looks, a short one and one with a reason are accepted."""
    assert fixed_waits(NOT_WAITS[name]) == []


def test_unit_test_may_not_wait_at_all() -> None:
    """Proves that under the rule for unit tests a short wait and a pause between looks are found, and 0 is not."""
    source = "time.sleep(0.001)\nwhile not done():\n    time.sleep(0.01)\nasyncio.sleep(0)\n"
    assert fixed_waits(source, 0.0) == [1, 3]
