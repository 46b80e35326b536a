"""The ruling on one proposal: every rule is asked, every no is told, a size only ever shrinks."""

from decimal import Decimal

from tools.core.safety import Denial, Finding, Gate, RiskLimits, RiskVerdict
from tools.risk.book import Book, Proposal
from tools.risk.caps import Draft, Size, size, var_finding
from tools.risk.limits import RULES

type Findings = list[tuple[str, Finding]]

_NAMED = tuple((rule.__name__, rule) for rule in RULES)


def judge(proposal: Proposal, book: Book, limits: RiskLimits) -> RiskVerdict:
    """Approve `proposal` at a quantity that every limit allows, or deny it with all reasons."""
    findings: Findings = [(name, rule(proposal, book, limits)) for name, rule in _NAMED]
    denials = [_denial(one) for _, one in findings if one.gate is Gate.DENIAL]
    notes = list(proposal.notes)
    quantity, risk = Decimal(0), None
    if (draft := _draft(proposal)) is not None:
        sized = size(draft, book, limits)
        quantity, risk = sized.shares, sized.shares * draft.risk_per_share_usd
        findings += sized.findings
        if quantity < 1:
            denials.append(_none_fits(sized))
        else:
            value_at_risk = var_finding(draft, quantity, book, limits)
            findings.append(("var_rule", value_at_risk))
            if value_at_risk.gate is Gate.DENIAL:
                denials.append(_denial(value_at_risk))
            if draft.asked is not None and quantity < draft.asked:
                notes.append(f"{draft.asked} shares asked, cut to {quantity}: {_words(sized)}")
    return RiskVerdict(
        symbol=proposal.ticket.symbol,
        approved=not denials,
        quantity=Decimal(0) if denials else quantity,
        entry_price=proposal.entry_price,
        stop_price=proposal.stop_price,
        target_price=proposal.target_price,
        risk_usd=None if denials else risk,
        decision_price=_decision_price(proposal),
        denials=tuple(denials),
        notes=tuple(notes),
        findings=tuple(findings),
    )


def _draft(proposal: Proposal) -> Draft | None:
    """The proposal as something to size: None without an entry price and a stop below it."""
    entry, stop = proposal.entry_price, proposal.stop_price
    if entry is None or stop is None or not 0 < stop < entry:
        return None
    return Draft(proposal=proposal, entry_price=entry, stop_price=stop)


def _decision_price(proposal: Proposal) -> Decimal | None:
    if proposal.decided is not None:
        return proposal.decided.price
    return proposal.quote.mid if proposal.quote else None


def _denial(finding: Finding) -> Denial:
    return Denial(reason=finding.reason, message=finding.message)


def _none_fits(sized: Size) -> Denial:
    return Denial(reason=sized.bound.reason, message=f"not one share fits: {_words(sized)}")


def _words(sized: Size) -> str:
    """What bound the size, and the key that sets it."""
    key = sized.bound.key
    return f"{sized.bound.words} (risk.{key})" if key else sized.bound.words
