"""The exchange's command line."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from embedded.exchange.access import Access
from tools.core.market import Market, market_of
from tools.simulation.recorded import recorded_dates
from tools.simulation.rules import Rules

ROOT = Path(__file__).resolve().parents[2]
WATCHLIST = "AAPL,AMD,AMZN,GOOGL,META,MSFT,NVDA,QQQ,SPY,TSLA"
LARGEST_SLIPPAGE = 1000
ABOUT = """The embedded exchange: Alpaca's trading and market data API over a tape, on 127.0.0.1.
It is a simulation, not a broker: no order leaves this machine and no money is real."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for; `speed` is infinite for `max`."""

    port: int
    data: Path | None
    synthetic: tuple[str, ...] | None
    symbols: tuple[str, ...] | None
    session: date | None
    until: date | None
    at: time
    speed: float
    cash: Decimal
    seed: int
    page: Path | None
    table: Path
    key: str
    secret: str
    strict_auth: bool
    admin_token: str
    corporate_actions: Path | None
    news: Path | None
    partial_fills: float
    slippage_bps: Decimal
    fees: bool
    luld: bool
    state: Path | None

    @property
    def rules(self) -> Rules:
        """How kind the market is."""
        return Rules(
            partial_fills=self.partial_fills,
            slippage_bps=self.slippage_bps,
            fees=self.fees,
            bands=self.luld,
        )

    @property
    def world(self) -> dict[str, str]:
        """What a kept account depends on."""
        symbols = self.symbols if self.data else self.synthetic or WATCHLIST.split(",")
        return {
            "seed": str(self.seed),
            "cash": str(self.cash),
            "market": str(self.data.resolve() if self.data else "synthetic"),
            "symbols": ",".join(sorted(symbols or ())),
            "actions": str(self.corporate_actions and self.corporate_actions.resolve()),
            "rules": str(self.rules),
        }

    @property
    def access(self) -> Access:
        """Who may ask."""
        return Access(
            key=self.key,
            secret=self.secret,
            strict=self.strict_auth,
            admin_token=self.admin_token,
        )


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line and ends with status 2."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        self.exit(2, f"{self.prog}: {message}\n")


def read_options(arguments: Sequence[str]) -> Options:
    """Parse and check; a mistake ends the program with one line and status 2."""
    parser = _parser()
    options = Options(**vars(parser.parse_args(arguments)))
    if options.data:
        if not options.data.is_dir():
            parser.error(f"argument --data: {options.data} is not a directory")
        days = recorded_dates(options.data)
        if options.session and options.session not in days:
            known = ", ".join(map(str, days[:10])) or "none"
            parser.error(f"argument --session: {options.session} is not recorded (there: {known})")
    if options.symbols and not options.data:
        parser.error("argument --symbols: narrows --data only")
    if options.strict_auth and not (options.key and options.secret):
        parser.error("argument --strict-auth: needs --key and --secret")
    for name, file in (("corporate-actions", options.corporate_actions), ("news", options.news)):
        if file and not file.is_file():
            parser.error(f"argument --{name}: {file} is not a file")
    if options.until and (not options.session or options.until < options.session):
        parser.error("argument --until: needs an earlier --session")
    return options


def _parser() -> OneLineParser:
    it = OneLineParser(prog="python -m embedded.exchange", description=ABOUT)
    add = it.add_argument
    add("--port", type=int, default=8006, metavar="N", help="port on 127.0.0.1 (default 8006)")
    tape = it.add_mutually_exclusive_group()
    tape.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="a recorded market: DIR/YYYY-MM-DD/SYMBOL.bars.csv and, if recorded, .quotes.csv; "
        "earlier days are history",
    )
    tape.add_argument(
        "--synthetic",
        type=_symbols,
        metavar="A,B",
        help=f"a market made from the seed, in these symbols (default: {WATCHLIST})",
    )
    add("--symbols", type=_symbols, metavar="A,B", help="only these symbols of --data")
    add(
        "--session",
        type=_date,
        metavar="DATE",
        help="simulated time, from this New York date on; without it the system's clock rules",
    )
    add("--until", type=_date, metavar="DATE", help="last day read of --data (default --session)")
    add(
        "--at",
        type=_time,
        default=time(9, 0),
        metavar="HH:MM",
        help="New York time at which simulated time begins (default 09:00)",
    )
    add(
        "--speed",
        type=_speed,
        default=float("inf"),
        metavar="N|max",
        help="simulated seconds in a second (default max). While actors have joined /time, it "
        "moves only when all of them sleep, and this is the most; without actors it flows at N "
        "and stands still at max. 0: it moves only when told through /sim/clock",
    )
    add(
        "--cash",
        type=_cash,
        default=Decimal(100_000),
        metavar="USD",
        help="what the account begins with (default 100000)",
    )
    add("--seed", type=int, default=1, metavar="N", help="makes synthetic days and all ids")
    add("--page", type=Path, metavar="FILE", help="where other processes read simulated time")
    add(
        "--table",
        type=Path,
        default=ROOT / "data" / "session_table.csv",
        metavar="FILE",
        help="the session table (default data/session_table.csv)",
    )
    add(
        "--corporate-actions",
        type=Path,
        metavar="FILE",
        help="splits and dividends, a line each: ex_date,symbol,action,rate; a synthetic market "
        "has its splits between sessions",
    )
    add("--news", type=Path, metavar="FILE", help="articles, a JSON list as GET /v1beta1/news has")
    add("--key", default="", metavar="K", help="the API key of --strict-auth")
    add("--secret", default="", metavar="S", help="the API secret of --strict-auth")
    add(
        "--strict-auth",
        action="store_true",
        help="answer 401 to any other pair of keys (default: any two words will do)",
    )
    add(
        "--admin-token",
        default="",
        metavar="T",
        help="serve /sim (time and faults on command) to who sends Authorization: Bearer T "
        "(default: /sim is not there)",
    )
    _add_rules(it)
    add(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep the account in FILE (every command, and FILE.time): it survives a kill",
    )
    return it


def _add_rules(it: OneLineParser) -> None:
    rules = it.add_argument_group("an unkind market (all off by default)")
    rules.add_argument(
        "--partial-fills",
        type=_chance,
        default=0.0,
        metavar="P",
        help="chance from 0 to 1 that a fill is a part, drawn from the seed (Alpaca's paper: 0.1)",
    )
    rules.add_argument(
        "--slippage-bps",
        type=_bps,
        default=Decimal(0),
        metavar="N",
        help="basis points that market orders and stops pay beyond the price",
    )
    rules.add_argument(
        "--fees", action="store_true", help="take the SEC, TAF and CAT fees at each close"
    )
    rules.add_argument(
        "--luld", action="store_true", help="price bands: no fill beyond them, pauses after them"
    )


def _checked[Value](parse: Callable[[str], Value], text: str, expected: str) -> Value:
    try:
        return parse(text)
    except (ValueError, InvalidOperation):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None


def _date(text: str) -> date:
    return _checked(date.fromisoformat, text, "a date like 2013-10-07")


def _time(text: str) -> time:
    return _checked(time.fromisoformat, text, "a time like 09:30")


def _speed(text: str) -> float:
    speed = float("inf") if text == "max" else _checked(float, text, "a number or max")
    if not speed >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed")
    return speed


def _chance(text: str) -> float:
    chance = _checked(float, text, "a chance from 0 to 1")
    if not 0 <= chance <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a chance from 0 to 1")
    return chance


def _bps(text: str) -> Decimal:
    bps = _checked(Decimal, text, "a number of basis points")
    if not bps.is_finite() or not 0 <= bps < LARGEST_SLIPPAGE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of basis points below 1000")
    return bps


def _cash(text: str) -> Decimal:
    cash = _checked(Decimal, text, "an amount like 100000")
    if not cash.is_finite() or cash <= 0 or cash != round(cash, 2):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount like 100000")
    return cash


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(part.strip() for part in text.split(",") if part.strip())
    for symbol in symbols:
        if market_of(symbol) is not Market.US_EQUITY:
            raise argparse.ArgumentTypeError(f"{symbol!r} is not a US equity symbol")
    if not symbols:
        raise argparse.ArgumentTypeError("no symbol given")
    return symbols
