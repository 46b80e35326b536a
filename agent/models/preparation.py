"""What a model's endpoint says of itself before the open: its models, and the credit left."""

import difflib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from agent.models.capabilities import SERVED_AS
from tools.core.alerts import AlertKind, alert
from tools.core.errors import ModelMisconfigured, ModelUnavailable
from tools.core.model_names import RETIRED

logger = logging.getLogger(__name__)

CNY_PER_USD = 7  # roughly: it decides about a warning, nothing else

type Get = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way, in words for the operator. `kind` is its alert."""

    kind: AlertKind
    text: str


def tell(findings: Sequence[Finding]) -> None:
    """Each finding as an alert in the log."""
    for finding in findings:
        logger.error("%s", finding.text, extra=alert(finding.kind))


async def examine(
    get: Get, *, model: str, url: str, tells_balance: bool, low_credit_usd: Decimal
) -> list[Finding]:
    """Ask `/models` and, where there is one, `/user/balance`. What is not told is no finding."""
    try:
        if missing := _missing(model, url, await get("/models")):
            return [missing]
        credit = _credit(await get("/user/balance"), low_credit_usd) if tells_balance else None
    except ModelMisconfigured as error:
        if "404" in str(error):
            return []  # an endpoint without these paths
        return [Finding(AlertKind.MODEL_DOWN, f"the model's key is refused: {error}")]
    except ModelUnavailable as error:
        return [Finding(AlertKind.MODEL_DOWN, f"the model's server does not answer: {error}")]
    return [credit] if credit else []


def _missing(model: str, url: str, body: str) -> Finding | None:
    try:
        offered = sorted(str(one["id"]) for one in json.loads(body)["data"])
    except (ValueError, LookupError, TypeError):
        return None
    if not offered or SERVED_AS.get(model, model) in offered or model in offered:
        return None
    likely = RETIRED.get(model) or next(iter(difflib.get_close_matches(model, offered, 1)), "")
    cure = f"use {likely!r}" if likely else f"it offers {', '.join(offered[:10])}"
    return Finding(AlertKind.MODEL_DOWN, f"{url} has no model {model!r}: {cure} (models[].model)")


def _credit(body: str, low_usd: Decimal) -> Finding | None:
    try:
        told = json.loads(body)
        left = sum((_usd(one) for one in told["balance_infos"]), Decimal(0))
        available = told["is_available"]
    except (ValueError, LookupError, TypeError, InvalidOperation):
        return None
    if available and left >= low_usd:
        return None
    what = f"the model's account holds about {left:.2f} USD"
    return Finding(AlertKind.MODEL_CREDIT, f"{what}: top it up, or entries end when it is empty")


def _usd(balance: dict[str, str]) -> Decimal:
    amount = Decimal(balance["total_balance"])
    return amount / CNY_PER_USD if balance["currency"] == "CNY" else amount
