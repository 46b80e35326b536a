"""Everything sold without any of our services: the broker over the standard library, one function.

The trade server may be doing the same at this moment: the flatten's order ids are the same, and so
the two collide at the broker instead of selling twice.
"""

import logging
from datetime import datetime

import anyio.from_thread
import anyio.to_thread

from tools.alpaca_rest import RestBroker
from tools.core.reports import FlattenReport
from tools.core.safety import FlattenScope
from tools.core.seams import Broker
from tools.core.session import Session
from tools.execution.certificates import Certifier, certificates_path
from tools.execution.flatten import flatten
from tools.execution.ownership import OwnBroker
from tools.schedule.clocks import SimulatedClock, SystemClock
from tools.settings import Settings
from tools.wiring import make_clock, make_hours

logger = logging.getLogger(__name__)

ACTOR, RANK = "operator", 80


async def flatten_directly(settings: Settings, caller: str) -> FlattenReport | None:
    """Flatten and certify; None outside the session, when nothing can be sold.

    Raises ConfigError without keys or session table.
    """
    settings.require_broker()
    account = RestBroker(
        key=settings.alpaca_key.get_secret_value(),
        secret=settings.alpaca_secret.get_secret_value(),
        url=settings.trading_url,
    )
    hours = make_hours(settings)
    async with make_clock(settings) as clock, clock.busy(ACTOR, RANK):
        session = hours.current_or_next(clock.now())
        if clock.now() < session.open_at:
            return None
        return await anyio.to_thread.run_sync(_run, settings, account, clock, session, caller)


def _run(
    settings: Settings,
    account: Broker,
    clock: SystemClock | SimulatedClock,
    session: Session,
    caller: str,
) -> FlattenReport:
    def wait(until: datetime) -> None:
        anyio.from_thread.run(clock.sleep_until, until)

    everything = settings.holding.flatten_scope is FlattenScope.ALL
    broker = account if everything else OwnBroker(account, clock.now)
    exempt = settings.limits.flatten_exempt_symbols
    report = flatten(
        broker, session=session, now=clock.now, wait=wait, caller=caller, exempt=exempt
    )
    certifier = Certifier(
        broker=broker,
        path=certificates_path(settings.agent_folder),
        now=clock.now,
        outside=exempt,
        everything=account,
    )
    try:
        certifier.certify_flatten(report, session, wait)
    except OSError as error:
        logger.error("no certificate could be written: %s", error)
    return report
