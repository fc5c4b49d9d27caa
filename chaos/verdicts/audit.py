"""Do Sluice's own books agree with each other? Every other claim is computed from what others saw."""

from chaos.facts import Facts
from chaos.verdicts.verdict import Finding, Verdict

__all__ = ["audit_finds_nothing"]


def audit_finds_nothing(facts: Facts) -> Verdict:
    audit = facts.audit
    findings = [Finding(difference) for difference in audit.differences]
    if audit.waiting:
        findings.append(Finding(f"{audit.waiting} usage events were not recorded when all was quiet"))
    figure = f"{audit.calls} calls, {audit.jobs} jobs"
    return Verdict("`sluice usage audit` finds no difference", figure, tuple(findings))
