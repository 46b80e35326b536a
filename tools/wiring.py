"""Chooses the world: settings in, plain objects behind the seams out. Below, no one asks the mode.

Live trading passes its third switch here; the first two are in `tools.settings`.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tools.core.alerts import AlertKind, alert
from tools.core.errors import ConfigError, Unavailable
from tools.core.seams import Broker
from tools.notifications import deliver
from tools.safety.message_budget import MessageBudget
from tools.schedule.clocks import SimulatedClock, SystemClock
from tools.schedule.market_hours import MarketHours
from tools.settings import ROOT, Mode, Settings

if TYPE_CHECKING:
    from tools.alpaca_data_feed import AlpacaMarketData
    from tools.alpaca_trading import AlpacaBroker

logger = logging.getLogger(__name__)

TABLE_AHEAD = timedelta(days=390)
CALENDAR_SECONDS, CALENDAR_AHEAD = 6 * 3600.0, timedelta(days=14)
# Alpaca publishes a minute's bar a moment after its end; the embedded exchange at its end.
ALPACA_SETTLING = timedelta(seconds=5)


def deliver_alerts(settings: Settings) -> None:
    """To where the operator wants them; a rehearsal in simulated time wakes nobody."""
    if not settings.simulated:
        deliver(
            webhook=settings.alert_webhook.get_secret_value(),
            command=settings.alert_command.get_secret_value(),
        )


def make_clock(settings: Settings) -> SystemClock | SimulatedClock:
    """The system's clock, or the one that ACTIVE_TRADER_CLOCK names. Enter it before use."""
    return SimulatedClock(settings.clock_url) if settings.clock_url else SystemClock()


def make_hours(settings: Settings) -> MarketHours:
    """The sessions under the configured timetable. Raises ConfigError without a session table."""
    return MarketHours.load(settings.session_table, settings.timetable)


async def renewed_hours(settings: Settings) -> MarketHours:
    """The sessions, from a table that is made again in time before it ends.

    Simulated time keeps the table it was given. A table that cannot be made is no error yet: the
    old one still says which days it knows.
    """
    hours = make_hours(settings)
    if settings.simulated or hours.last_day > datetime.now(UTC).date() + TABLE_AHEAD:
        return hours
    own_table = settings.home / "data" / "session_table.csv"
    maker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.schedule.session_table", str(own_table)), cwd=ROOT
    )
    if await maker.wait() != 0:
        logger.warning("the session table could not be renewed; it ends on %s", hours.last_day)
    return make_hours(settings)


async def keep_hours(
    settings: Settings,
    hours: MarketHours,
    now: Callable[[], datetime],
    broker: "AlpacaBroker | None" = None,
) -> None:
    """Renew `hours` from the table every six hours, checked by the broker's calendar if given.

    Simulated time has no calendar but its own.
    """
    while not settings.simulated:
        try:
            if broker:
                await asyncio.to_thread(_check_calendar, settings, broker, now().date())
            hours.renew(settings.session_table)
        except (ConfigError, Unavailable, OSError) as error:
            logger.warning("the session table was not checked: %s", error)
        await asyncio.sleep(CALENDAR_SECONDS)


def _check_calendar(settings: Settings, broker: "AlpacaBroker", first: date) -> None:
    from tools.schedule.calendar_check import take_earlier_closes

    last, own_table = first + CALENDAR_AHEAD, settings.home / "data" / "session_table.csv"
    told = broker.closes(first, last)
    for words in take_earlier_closes(settings.session_table, own_table, told, first, last):
        logger.warning("the earlier close wins: %s", words, extra=alert(AlertKind.CALENDAR))


def make_broker(settings: Settings, budget: MessageBudget | None = None) -> "AlpacaBroker":
    """The broker. Raises ConfigError without keys.

    `budget` hears its answers, but in simulated time, which stands still while requests are made.
    In live mode the broker is asked at once who we are: BrokerUnavailable when it does not answer,
    ConfigError when `live-confirmed` holds another account number.
    """
    # Imported here: alpaca-py brings pandas, and the trader builds its clock in this module too.
    from tools.alpaca_trading import AlpacaBroker
    from tools.alpaca_transport import unheard

    settings.require_broker()
    broker = AlpacaBroker(
        key=settings.alpaca_key.get_secret_value(),
        secret=settings.alpaca_secret.get_secret_value(),
        url=settings.trading_url,
        on_timeout=_on_timeout(settings),
        on_answer=budget.heard if budget and not settings.simulated else unheard,
    )
    if settings.mode is Mode.LIVE:
        _confirm_account(settings, broker)
    return broker


def make_market_data(settings: Settings, now: Callable[[], datetime]) -> "AlpacaMarketData":
    """The market data, as of `now()`. Raises ConfigError without keys."""
    from tools.alpaca_data_feed import AlpacaMarketData

    settings.require_broker()
    return AlpacaMarketData(
        key=settings.alpaca_key.get_secret_value(),
        secret=settings.alpaca_secret.get_secret_value(),
        url=settings.data_url,
        now=now,
        settling=timedelta(0) if settings.simulated else ALPACA_SETTLING,
        on_timeout=_on_timeout(settings),
    )


def _on_timeout(settings: Settings) -> Callable[[str], None]:
    """Real services outlast a time-out; in simulated time it would change the day's result."""
    from tools.alpaca_transport import outlast

    return _end_the_run if settings.simulated else outlast


def _end_the_run(why: str) -> None:
    sys.stderr.write(f"a real time-out fired in simulated time: {why}\n")
    os._exit(1)


def _confirm_account(settings: Settings, broker: Broker) -> None:
    """The third live switch: a person wrote down the account whose money this is."""
    path = settings.home / "live-confirmed"
    confirmed = path.read_text(encoding="utf-8").strip()
    actual = broker.account().account_number
    if confirmed != actual:
        raise ConfigError(f"{path} confirms account {confirmed!r}, but the keys are {actual}'s")
