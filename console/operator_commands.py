"""What an operator does when it matters: `flatten`, `kill`, in two steps `reset-code` and `reset`.

They work from any shell that can read the home. Stopping is easy: one command, which needs no
service of ours. Going on is hard: the trade server has to be there and hands out a code.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.core.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from tools.settings import Settings

logger = logging.getLogger(__name__)

ACTOR = "operator"
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 60.0
"""For the trade server to get flat, before this command sells as well."""

Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit trail.")]
Keep = Annotated[bool, typer.Option("--keep-positions", help="Stop, but sell nothing.")]


def register(app: typer.Typer) -> None:
    """Add the operator's commands."""
    app.command()(flatten)
    app.command()(kill)
    app.command()(reset_code)
    app.command()(reset)
    app.command()(acknowledge)


def flatten(reason: Reason = "no reason given") -> int:
    """Sell everything, now; the next session is as usual.

    Works without any of our services.
    """
    from console.flatten_command import run

    return run(reason)


def kill(reason: Reason = "no reason given", keep_positions: Keep = False) -> int:
    """Stop all trading and sell everything, now.

    Works without any of our services. Stays in force, over restarts too, until it is reset.
    """
    from tools.settings import load

    try:
        settings = load()
    except (ConfigError, OSError, ValueError) as error:
        print(f"configuration error: {error}", file=sys.stderr)
        latched = _latch(_home(), reason, keep_positions=keep_positions)
        return 78 if keep_positions else _told(_sell_from_here(), killed=latched)
    closing = _kill_by_server(settings, reason, keep_positions=keep_positions)
    killed = closing is not None or _latch(settings.home, reason, keep_positions=keep_positions)
    if keep_positions and not killed:
        status = 1
    elif keep_positions:
        status = _say("killed: nothing trades; positions are kept, and their stops", 0)
    elif closing is False:
        status = _say("killed: nothing trades; the market is closed, so nothing is sold now", 0)
    elif closing and _flat_by_server(settings):
        status = 0
    else:
        status = _sell_from_here()
    if closing is None:
        _raise_alarm(settings, reason)
    return _told(status, killed=killed)


def reset_code() -> None:
    """Ask for the code that ends a kill or a halt.

    It is shown here alone, and expires in five minutes.
    """
    answer = _ask_the_desk("/reset-code", {})
    minutes = answer["expires_in_seconds"] // 60
    print(f"{answer['code']}   (for {minutes} minutes)")
    print(f"python active_trader.py reset --code {answer['code']} --reason '...'")


def reset(
    code: Annotated[str, typer.Option(metavar="CODE", help="What reset-code has shown.")],
    reason: Reason = "no reason given",
) -> None:
    """Let trading go on after a kill or a halt; needs the code."""
    answer = _ask_the_desk("/reset", {"code": code, "reason": reason})
    print(f"trading is {answer['trading_state']}: {answer['reason']}")


def acknowledge(
    session: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="The session that did not end flat.")
    ],
    reason: Reason = "no reason given",
) -> int:
    """Take note of a session that did not end flat, so that entries open again.

    Also of damage to the certificates. Works without any of our services.
    """
    from console.acknowledge_command import run
    from console.usage import parse_date

    return run(parse_date(session, "--session"), reason)


def _kill_by_server(settings: "Settings", reason: str, *, keep_positions: bool) -> bool | None:
    """Whether the trade server is selling; None when it did not answer in time."""
    from console.trade_desk import STOP_SECONDS, NobodyAnswers, Refused, TradeDesk

    body = {"reason": reason, "keep_positions": keep_positions}
    try:
        answer = TradeDesk(settings).post("/kill", body, seconds=STOP_SECONDS)
    except (NobodyAnswers, Refused) as error:
        print(error, file=sys.stderr)
        return None
    print("the trade server has stopped trading")
    return answer.get("closing") is not False


def _raise_alarm(settings: "Settings", reason: str) -> None:
    """For the trade server, whose log says it when it starts. After the sale, which hurries."""
    from tools.core.alerts import AlertKind, alert
    from tools.wiring import deliver_alerts

    deliver_alerts(settings)
    words = f"kill switch, pulled by the {ACTOR} while no trade server answers: {reason}"
    logger.critical(words, extra=alert(AlertKind.KILL_SWITCH))


def _latch(home: Path, reason: str, *, keep_positions: bool) -> bool:
    """Write it ourselves. A latch that cannot be written stops nothing that comes after."""
    from tools.safety.kill_switch import latch_path, pull
    from tools.schedule.clocks import SystemClock

    now = SystemClock().now()
    try:
        pull(home, reason=reason, actor=ACTOR, now=now, keep_positions=keep_positions)
    except OSError as error:
        print(f"the kill switch cannot be latched: {error}", file=sys.stderr)
        return False
    print(f"the kill switch is latched: {latch_path(home)}")
    return True


def _flat_by_server(settings: "Settings") -> bool:
    """The trade server got flat. It may hang, or not come to an end: then the rest is ours."""
    from console.trade_desk import Refused, TradeDesk

    desk, deadline = TradeDesk(settings), time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = desk.get("/flatten", seconds=1.0)
        except (Unavailable, Refused) as error:
            print(error, file=sys.stderr)
            return False
        report = answer.get("report")
        if answer.get("state") != "running" and isinstance(report, dict):
            sold = ", ".join(report["closed_symbols"]) or "nothing"
            flat = report["flat"] is True
            print(f"the trade server has sold {sold}: {'FLAT' if flat else 'NOT FLAT'}")
            return flat
        _pause(LOOK_SECONDS)
    print(f"not flat after {PATIENCE_SECONDS:.0f} s: selling from here as well", file=sys.stderr)
    return False


def _sell_from_here() -> int:
    """By the flatten program, which needs nothing of ours; 0 when the broker says flat."""
    from tools.execution import flatten_program

    print("asking the broker from here")
    return flatten_program.main(["operator"])


def _told(status: int, *, killed: bool) -> int:
    """Success is not said of a kill that nobody has heard of and that is written nowhere."""
    if killed:
        return status
    cure = "stop the services: ./manage_services.sh stop"
    print(f"NOT killed, trading may go on: {cure}", file=sys.stderr)
    return status or 1


def _say(words: str, status: int) -> int:
    print(words)
    return status


def _pause(seconds: float) -> None:
    import threading

    threading.Event().wait(seconds)


def _ask_the_desk(path: str, body: dict[str, str]) -> dict[str, Any]:
    """The trade server's answer. Raises NobodyAnswers, with the cure, and Refused."""
    from console.trade_desk import NobodyAnswers, TradeDesk
    from tools.settings import load

    settings = load()
    settings.require_tokens("MCP_OPERATOR_TOKEN")
    try:
        return TradeDesk(settings).post(path, body)
    except NobodyAnswers as error:
        cure = "start it with ./manage_services.sh start; it alone can let trading go on"
        raise NobodyAnswers(f"{error}: {cure}") from None


def _home() -> Path:
    """Where the latch belongs when the settings cannot be read."""
    from tools.settings import ROOT

    return Path(os.environ.get("ACTIVE_TRADER_HOME") or ROOT).expanduser().resolve()
