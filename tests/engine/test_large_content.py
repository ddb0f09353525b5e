"""Cost of a large value on the engine's thread: how often it is searched for secrets on its way through a run."""

import pytest

from tests.engine.lab.client import Lab


@pytest.mark.parametrize(("size", "times"), [(100_000, 1), (262_144, 3)], ids=["fits", "is cut"])
@pytest.mark.parametrize("secret", ["", " ghp_" + "a1B2c3D4e5F6g7H8i9" * 2], ids=["clean", "with a secret"])
def test_large_input_that_a_tool_echoes_is_searched_a_few_times(
    lab: Lab, size: int, times: int, secret: str
) -> None:
    """A run passes it on as input, parameter and result: one search, and two more of the part that a cut leaves."""
    text = (secret + " lorem ipsum dolor sit amet" * (size // 27 + 1))[:size]
    answer = lab.ask("searched", workflow="input_invalid", inputs={"order": text})
    assert 0 < answer["searched"] <= times * size, answer["searched"] / size
