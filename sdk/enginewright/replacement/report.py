"""What became of every place at which a replacement rule matched, or nearly did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplacementReport:
    """One match of a rule: `operator` is the plugin's key, `pattern` the name of the pattern function.

    `status`: "verified", "failed" or "unverified" (nothing could evaluate the original), by the verification on
    `cases` generated inputs with the worst relative `error`; "near miss" for a match that is incomplete or not allowed,
    `reason` then begins with one of: other operator, attribute, constant expected, inputs, extra consumer, condition,
    overlap, not asked for. `nodes` are the ONNX nodes, or layers without any; `layer` is the new one where `applied`.
    """

    operator: str
    pattern: str
    status: str
    nodes: tuple[str, ...]
    reason: str = ""
    error: float | None = None
    cases: int = 0
    layer: str = ""

    @property
    def applied(self) -> bool:
        """Whether the subgraph was replaced."""
        return bool(self.layer)

    def __str__(self) -> str:
        error = "" if self.error is None else f", worst error {self.error:.2g} on {self.cases} inputs"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.operator} for {', '.join(self.nodes)}: {self.status}{error}{reason}"
