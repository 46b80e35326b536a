"""Active Trader: `python active_trader.py` runs the service, `python active_trader.py --help` more.

This file parses under any Python from 3.6 on, so that an old one can be told what to run instead.
"""

import os
import sys
from datetime import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.options import AgentOptions
    from tools.settings import Settings

# Market hours (New York). Trader, trade server and flatten all read these three lines.
REGULAR_START = time(9, 30)
REGULAR_END = time(16, 0)
CLOSE_POSITIONS_TIME = time(15, 55)

HERE = os.path.dirname(os.path.abspath(__file__))
CURE = f"run {HERE}/manage_services.sh setup, then {HERE}/.venv/bin/python {HERE}/active_trader.py"


def main(arguments: "list[str]") -> int:
    """0 when asked to end, 1 for a failure, 2 for a wrong argument, 78 for set-up and settings."""
    if sys.version_info < (3, 12):  # noqa: UP036
        return _refuse(f"this needs Python 3.12 or 3.13: {CURE}", 78)
    try:
        if set(arguments) - {"--verbose"}:
            from console.cli import main as run_command

            return run_command(arguments)
        return run_service(verbose=bool(arguments))
    except ModuleNotFoundError as error:
        return _refuse(f"this Python lacks {error.name}: {CURE}", 78)


def run_service(verbose: bool) -> int:
    """The trader, until SIGTERM."""
    import asyncio

    from agent.service import logger, open_logs
    from tools.core.errors import ActiveTraderError, ConfigError
    from tools.settings import load

    try:
        settings = load()
        settings.require_model()
        settings.require_tokens("MCP_DATA_TOKEN", "MCP_TRADE_TOKEN")
        open_logs(settings.home / "logs", "DEBUG" if verbose else settings.log_level)
        asyncio.run(_trade(settings))
    except ConfigError as error:
        return _refuse(f"configuration error: {error}", 78)
    except Exception as error:  # noqa: BLE001, the last boundary
        foreseen = isinstance(error, (ActiveTraderError, OSError))
        logger.error("the trader ends: %s", error, exc_info=not foreseen)
        return _refuse(f"error: {error}", 1)
    return 0


async def _trade(settings: "Settings") -> None:
    """Choose the world and hand it to the mind."""
    from agent.models.budget import BudgetLimits
    from agent.models.making import make_model
    from agent.service import live
    from tools import wiring
    from tools.journal import day_record, history

    wiring.deliver_alerts(settings)
    async with wiring.make_clock(settings) as clock:
        await live(
            _options(settings),
            clock=clock,
            load_hours=lambda: wiring.renewed_hours(settings),
            model=make_model(
                settings.model,
                settings.config.agent_config,
                BudgetLimits(**settings.config.budget.model_dump()),
                base_url=settings.model_url,
                api_key=settings.model_key.get_secret_value(),
                folder=settings.agent_folder,
                now=clock.now,
            ),
            data=(settings.data_port, settings.data_token),
            trade=(settings.trade_port, settings.agent_token),
            history=history,
            open_page=day_record.DayRecord,
            health_port=settings.health_port,
        )


def _options(settings: "Settings") -> "AgentOptions":
    from agent.options import AgentOptions

    return AgentOptions(
        mode=settings.mode,
        home=settings.home,
        agent_folder=settings.agent_folder,
        signature=settings.model.signature,
        agent_type=settings.config.agent_type,
        wire_model=settings.model.model,
        model_url=settings.model_url,
        model_key_given=settings.model_key.get_secret_value() != "simulated",
        date_range_given=settings.config.date_range is not None,
        simulated_time=settings.simulated,
        watchlist=settings.config.watchlist,
        tuning=settings.config.agent_config,
        prompt_file=settings.prompt_file,
        prompt_settings=settings.prompt_settings,
    )


def _refuse(line: str, code: int) -> int:
    sys.stderr.write(line + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
