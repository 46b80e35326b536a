"""`python -m console.down_alert UNIT`: alert that a service stays down. systemd runs it."""

import logging
import sys

from tools.core.alerts import AlertKind, alert
from tools.core.errors import ConfigError
from tools.hosting import log_to
from tools.settings import load
from tools.wiring import deliver_alerts

logger = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """0 once it is told; 78 when only the journal could be told."""
    log_to(level="INFO")
    fault = ""
    try:
        deliver_alerts(load())
    except ConfigError as error:
        fault = str(error)
    logger.critical(
        "%s stays down: journalctl -u %s -n 50, then ./manage_services.sh start",
        *(arguments[0], arguments[0]),
        extra=alert(AlertKind.SERVICE_FAILED),
    )
    if fault:
        logger.error("configuration error: %s", fault)
    return 78 if fault else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
