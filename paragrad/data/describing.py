"""A data set in words: how much there is, and what looks wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from paragrad.data import content

if TYPE_CHECKING:
    from paragrad.data.dataset import Dataset

MOST_LABELS = 20
RARE = 10


def describe(data: Dataset) -> str:
    """Rows, columns and label counts; then duplicates, rare labels and contradictions, if any."""
    target = data.target
    lines = [f"{len(data)} rows · input {', '.join(data.inputs)} · target {target or 'none'}"]
    rest = [name for name in data.columns if name not in (*data.inputs, target)]
    if rest:
        lines.append(f"other columns: {', '.join(rest)}")
    labels = label_counts(data)
    if labels:
        lines.append(f"{len(labels)} labels: {', '.join(f'{label} {count}' for label, count in labels.most_common())}")
    warnings = []
    copies = len(data) - len(set(data.keys))
    if copies:
        warnings.append(f"{copies} duplicate{'s' * (copies > 1)} (same inputs), kept on one side of a split")
    warnings += [f'label "{label}" has only {count} rows' for label, count in labels.most_common() if count < min(RARE, len(data) / 10)]
    against = contradictions(data)
    if against:
        shown = ", ".join("/".join(ids) for ids in against[:5])
        more = ", …" if len(against) > 5 else ""
        warnings.append(f"{sum(map(len, against))} rows contradict each other (same inputs, different targets): {shown}{more}")
    missing = sum(value is None or value == "" for value in data.column(target)) if target else 0
    if missing:
        warnings.append(f"{missing} rows have no target")
    return "\n".join([*lines, *(f"! {warning}" for warning in warnings)])


def label_counts(data: Dataset) -> Counter[str]:
    """How often each target occurs, when targets are labels: few, short, and most of them repeated."""
    if data.target is None:
        return Counter()
    values = [value for value in data.column(data.target) if value is not None]
    if any(not isinstance(value, str | bool | int) or len(str(value)) > 40 for value in values):
        return Counter()
    counts = Counter(str(value) for value in values)
    return counts if len(counts) <= MOST_LABELS and 2 * len(counts) <= len(values) else Counter()


def contradictions(data: Dataset) -> list[list[str]]:
    """Ids of rows with the same inputs and different targets, group by group, in order."""
    groups: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for key, row in zip(data.keys, data, strict=True):
        groups[key][row.id] = content.digest(row.target)
    return [list(ids) for ids in groups.values() if len(set(ids.values())) > 1]
