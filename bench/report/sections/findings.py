"""What may be wrong with the run, in order of weight."""

from __future__ import annotations

from typing import Any

from bench.analysis.explain import Explanation
from bench.report.analysed import Analysed
from bench.report.content import Section


def section(analysed: Analysed) -> Section:
    """All findings, or that there are none."""
    text = () if analysed.findings else ("Nothing to warn about.",)
    return Section("findings", "Warnings and findings", text, findings=analysed.findings)


def document(found: Explanation) -> dict[str, Any]:
    """Those of the explanation as JSON."""
    return {"findings": [vars(finding) for finding in found.findings]}
