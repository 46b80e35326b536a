"""`python -m embedded.exchange`: serve one account over one tape until a signal comes."""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from embedded.exchange.app import create_app
from embedded.exchange.news_routes import read_news
from embedded.exchange.options import WATCHLIST, Options, read_options
from embedded.exchange.timekeeper import TimeKeeper
from tools.core.errors import ConfigError
from tools.core.session import Timetable
from tools.hosting import PortTaken, bind, http_server, log_to, sd_notify
from tools.schedule.clocks import SystemClock
from tools.schedule.market_hours import MarketHours, at_new_york, new_york
from tools.simulation.corporate import SplitTape, read_actions
from tools.simulation.market import Market
from tools.simulation.recorded import RecordedTape
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.tape import Tape
from tools.simulation.venue import Venue

CONFIGURATION_ERROR = 78

logger = logging.getLogger("embedded.exchange")


def main(arguments: Sequence[str]) -> int:
    """Serve. 0 after a signal, 78 when the configuration cannot work, 1 when the port is taken."""
    options = read_options(arguments)
    log_to(level="INFO")
    try:
        with tempfile.TemporaryDirectory(prefix="active-trader-") as folder:
            asyncio.run(serve(options, Path(folder) / "time"))
    except ConfigError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return CONFIGURATION_ERROR
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def serve(options: Options, page: Path) -> None:
    """Build the world and serve it; `page` shows simulated time unless an option names another."""
    hours = MarketHours.load(options.table, Timetable())
    now, keeper = SystemClock().now, None
    if options.session:
        start = at_new_york(options.session, options.at.hour, options.at.minute)
        keeper = TimeKeeper(start, options.page or page, speed=options.speed)
        now = keeper.now
    tape = _tape(options, hours, until=options.until or new_york(now()).date())
    actions = read_actions(options.corporate_actions) if options.corporate_actions else ()
    if actions and not options.data:
        tape = SplitTape(tape, actions)
    news = read_news(options.news) if options.news else ()
    venue = Venue(Market(tape, hours, actions), now, cash=options.cash, seed=options.seed)
    venue.catch_up()  # a table that does not reach this day is told now, not to the first client
    listener = await bind(options.port)
    server = http_server(
        create_app(venue, now, keeper, access=options.access, news=news), ws="websockets-sansio"
    )
    logger.info(
        "embedded exchange: a simulation, not a broker, no order leaves this machine: "
        "%s on http://127.0.0.1:%d, %s time %s New York",
        ",".join(tape.symbols),
        listener.getsockname()[1],
        "simulated" if keeper else "real",
        f"{new_york(now()):%Y-%m-%d %H:%M}",
    )
    sd_notify("READY=1")
    await server.serve(sockets=[listener])


def _tape(options: Options, hours: MarketHours, *, until: date) -> Tape:
    if options.data:
        return RecordedTape(options.data, hours, last_day=until, symbols=options.symbols or ())
    return SyntheticTape(options.synthetic or WATCHLIST.split(","), hours, seed=options.seed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
