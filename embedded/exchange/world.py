"""From the command line to an exchange: its market, its time, its account, and what is kept."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from starlette.types import ASGIApp

from embedded.exchange.app import create_app
from embedded.exchange.diary import Commands, Diary, StoppedClock, read_time
from embedded.exchange.news_routes import read_news
from embedded.exchange.options import WATCHLIST, Options
from embedded.exchange.timekeeper import TimeKeeper
from tools.core.session import Timetable
from tools.schedule.clocks import SystemClock
from tools.schedule.market_hours import MarketHours, at_new_york, new_york
from tools.simulation.corporate import SplitTape, read_actions
from tools.simulation.market import Market
from tools.simulation.recorded import RecordedTape
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.tape import Tape
from tools.simulation.venue import Venue


@dataclass(frozen=True, slots=True)
class World:
    """An exchange that is ready to be served. Without a `keeper` the system's clock rules."""

    app: ASGIApp
    market: Market
    clock: StoppedClock
    keeper: TimeKeeper | None


async def make_world(options: Options, page: Path) -> World:
    """Build it; `page` shows simulated time unless an option names another file.

    With a state file time goes on from where it was left, and the account is what it was. Raises
    ConfigError.
    """
    hours = MarketHours.load(options.table, Timetable())
    start = SystemClock().now()
    if options.session:
        start = at_new_york(options.session, options.at.hour, options.at.minute)
    diary = Diary(options.state, options.world, start) if options.state else None
    keeper = _keeper(options, diary, start, page) if options.session else None
    clock = StoppedClock(keeper.now if keeper else SystemClock().now)
    market = _market(options, hours, until=options.until or new_york(clock()).date())
    with clock.stopped(diary.opened_at if diary else None):
        venue = Venue(market, clock, cash=options.cash, seed=options.seed, rules=options.rules)
    commands = Commands(clock, diary)
    news = read_news(options.news) if options.news else ()
    app = create_app(venue, clock, keeper, access=options.access, news=news, commands=commands)
    await commands.recall()
    venue.catch_up()  # a table that does not reach this day is told now, not to the first client
    return World(app, market, clock, keeper)


def _keeper(options: Options, diary: Diary | None, start: datetime, page: Path) -> TimeKeeper:
    if options.state and diary:
        page = options.state.with_name(options.state.name + ".time")
        if diary.resumed:
            start = max(start, diary.last_instant, read_time(page) or start)
    return TimeKeeper(start, options.page or page, speed=options.speed)


def _market(options: Options, hours: MarketHours, *, until: date) -> Market:
    actions = read_actions(options.corporate_actions) if options.corporate_actions else ()
    tape = _tape(options, hours, until=until)
    if actions and not options.data:
        tape = SplitTape(tape, actions)
    return Market(tape, hours, actions)


def _tape(options: Options, hours: MarketHours, *, until: date) -> Tape:
    if options.data:
        return RecordedTape(options.data, hours, last_day=until, symbols=options.symbols or ())
    return SyntheticTape(options.synthetic or WATCHLIST.split(","), hours, seed=options.seed)
