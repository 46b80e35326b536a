"""Time-outs and simulated time do not mix: one that fires there would change the day's result."""

from tools.core.errors import ActiveTraderError


class TimeoutInSimulation(ActiveTraderError):
    """A real time-out fired while time was simulated: the run ends, its result is not changed."""


def timed_out(error: BaseException | None) -> bool:
    """Whether a real time-out lies at the root of `error`."""
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__
    return False
