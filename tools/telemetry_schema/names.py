"""Python names of registry names: constants, types and tuples of values."""

import re


def constant_name(key: str) -> str:
    """Name of the Python constant for a registry name: AEL_WORKFLOW_NAME for ael.workflow.name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_").upper()


def signal_constant(name: str) -> str:
    """Name of the Python constant for a signal: WORKFLOW_EXECUTIONS for ael.workflow.executions."""
    return constant_name(name.removeprefix("ael."))


def type_name(key: str) -> str:
    """Name of the Python type of a closed set: StepType for ael.step.type."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", key.removeprefix("ael.")) if word)


def values_name(key: str) -> str:
    """Name of the Python tuple of a closed set: STEP_TYPE_VALUES for ael.step.type."""
    return f"{signal_constant(key)}_VALUES"
