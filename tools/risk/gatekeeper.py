"""The ruling on one proposal: every rule is asked, every no is told, a size only ever shrinks."""

from decimal import Decimal

from tools.core.safety import Denial, RiskLimits, RiskVerdict
from tools.risk.book import Book, Proposal
from tools.risk.limits import RULES
from tools.risk.sizing import Draft, size


def judge(proposal: Proposal, book: Book, limits: RiskLimits) -> RiskVerdict:
    """Approve `proposal` at a quantity that every limit allows, or deny it with all reasons."""
    denials = [denial for rule in RULES if (denial := rule(proposal, book, limits))]
    notes = list(proposal.notes)
    quantity, risk = Decimal(0), None
    if (draft := _draft(proposal)) is not None:
        cap = size(draft, book, limits)
        quantity, risk = cap.shares, cap.shares * draft.risk_per_share_usd
        if quantity < 1:
            denials.append(Denial(reason=cap.reason, message=f"not one share fits: {cap.words}"))
        elif draft.asked is not None and quantity < draft.asked:
            notes.append(f"{draft.asked} shares asked, cut to {quantity}: {cap.words}")
    return RiskVerdict(
        symbol=proposal.ticket.symbol,
        approved=not denials,
        quantity=Decimal(0) if denials else quantity,
        entry_price=proposal.entry_price,
        stop_price=proposal.stop_price,
        target_price=proposal.target_price,
        risk_usd=None if denials else risk,
        denials=tuple(denials),
        notes=tuple(notes),
    )


def _draft(proposal: Proposal) -> Draft | None:
    """The proposal as something to size: None without an entry price and a stop below it."""
    entry, stop = proposal.entry_price, proposal.stop_price
    if entry is None or stop is None or not 0 < stop < entry:
        return None
    return Draft(entry_price=entry, stop_price=stop, asked=proposal.ticket.quantity)
