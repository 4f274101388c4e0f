"""The one tree of errors.

Every message is one line that says what was wrong, the value, and what would be right. Commands print that
line and exit with the error's `exit_code`; the trace is shown with `--debug` only.
"""


class KinoraError(Exception):
    """Anything that Kinora refuses or that went wrong in a way it understands."""

    exit_code = 2


class InputError(KinoraError):
    """Something that the user gave: a prompt, a number, a medium, a path."""


class WeightsError(KinoraError):
    """A model folder or file that is missing, damaged, or of another architecture."""


class ConfigError(KinoraError):
    """A configuration key or value that does not exist or contradicts another."""


class ResourceError(KinoraError):
    """Memory or disk that is not there."""


class CheckFailed(KinoraError):
    """A check that the user asked for did not hold (`verify`, `rerun`, `--fail-under`)."""

    exit_code = 3


LONGEST_REASON = 240
"""Characters of another library's message that one of ours quotes."""


def first_line(error: BaseException) -> str:
    """What an error of another library says, to be quoted in a line of ours: its class where it says nothing."""
    return quoted((str(error).strip() or type(error).__name__).split("\n")[0])


def quoted(text: str) -> str:
    """A text as far as a line of ours quotes it."""
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
