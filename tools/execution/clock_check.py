"""Is our clock the broker's? While it is not, there are no entries: every deadline rests on it."""

import logging
from datetime import timedelta

from tools.core.alerts import AlertKind, alert
from tools.core.trading import BrokerClock
from tools.execution.premises import Premises
from tools.execution.trading_control import TradingControl

logger = logging.getLogger(__name__)

CLOCK = "clock"
"""Who closes entries for this."""

MOST_APART = timedelta(seconds=2)


class ClockCheck:
    """Looks at each audit; opens entries again when the clocks agree again."""

    def __init__(self, premises: Premises, control: TradingControl) -> None:
        self._broker, self._now, self._control = premises.broker, premises.now, control
        self._apart = False

    def look(self) -> BrokerClock:
        """What the broker's clock says. Raises BrokerUnavailable.

        The broker read its clock between our question and its answer: as far as the round trip
        may explain the difference, it does.
        """
        asked = self._now()
        said = self._broker.clock()
        off = max(asked - said.at, said.at - self._now(), timedelta(0))
        if off <= MOST_APART:
            self._apart = False
            self._control.open_entries(CLOCK)
        elif not self._apart:
            self._apart = True
            words = f"our clock and the broker's are {off.total_seconds():.1f} s apart"
            logger.critical("CLOCK SKEW: %s", words, extra=alert(AlertKind.CLOCK_SKEW))
            self._control.close_entries(CLOCK, words)
        return said
