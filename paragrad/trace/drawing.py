"""A picture of the graph: SVG, Mermaid or data. No external binary, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from paragrad.trace.escapes import label_of
from paragrad.trace.layout import Box, placed
from paragrad.trace.nodes import Node, Record, Version, edges, peek
from paragrad.trace.values import brief, shorten

STYLE = {
    "parameter": ("#fff4d6", "#b7791f"),
    "frozen": ("#f4f1ea", "#a8a29e"),
    "input": ("#e6f0fa", "#3b7dd8"),
    "value": ("#f3f4f6", "#6b7280"),
    "model": ("#e9e4fb", "#7c5cd6"),
    "error": ("#fde8e8", "#d64545"),
}


class Graph:
    """The nodes behind one Variable, once each: persistent Parameters and once-off values told apart.

    Raises:
        RuntimeError: the graph was freed by ``backward``.
    """

    def __init__(self, root: Node) -> None:
        if isinstance(root, Record) and root.op is None:
            raise RuntimeError("the graph was freed by backward; draw it before, or call backward(retain_graph=True)")
        self.nodes: list[Node] = []
        self.edges: list[tuple[int, int, str]] = []
        index: dict[int, int] = {}
        stack = [root]
        index[id(root)] = 0
        self.nodes.append(root)
        while stack:
            node = stack.pop()
            for name, operand in edges(node):
                if id(operand) not in index:
                    index[id(operand)] = len(self.nodes)
                    self.nodes.append(operand)
                    stack.append(operand)
                self.edges.append((index[id(operand)], index[id(node)], name))
            extra = peek(node)
            for before in extra.after if extra is not None else ():
                if id(before) not in index:
                    index[id(before)] = len(self.nodes)
                    self.nodes.append(before)
                    stack.append(before)
                self.edges.append((index[id(before)], index[id(node)], "after"))

    def to_dict(self) -> dict[str, Any]:
        """JSON-like: nodes with kind, label and shortened value; named edges from operand to consumer."""
        return {
            "nodes": [{"id": i, **describe(node)} for i, node in enumerate(self.nodes)],
            "edges": [{"from": a, "to": b, "argument": name} for a, b, name in self.edges],
        }

    def mermaid(self) -> str:
        """A Mermaid flowchart."""
        lines = ["flowchart TD"]
        for i, node in enumerate(self.nodes):
            d = describe(node)
            left, right = ("[(", ")]") if d["persistent"] else ("(", ")") if isinstance(node, Record) else ("[/", "/]")
            lines.append(f'    n{i}{left}"{_mermaid(d["label"])}<br/>{_mermaid(d["value"])}"{right}')
        lines += [f'    n{a} {"-.->" if name == "after" else "-->"}|"{_mermaid(name)}"| n{b}' for a, b, name in self.edges]
        return "\n".join(lines) + "\n"

    def svg(self, path: str | Path | None = None) -> str:
        """A stand-alone SVG; also written to ``path`` when given."""
        boxes, width, height = placed(len(self.nodes), [(a, b) for a, b, _ in self.edges])
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="ui-sans-serif, system-ui, sans-serif" font-size="12" role="img">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#9ca3af"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]
        parts += [_line(boxes[a], boxes[b], name) for a, b, name in self.edges]
        parts += [_box(box, describe(node)) for box, node in zip(boxes, self.nodes, strict=True)]
        text = "\n".join([*parts, "</svg>\n"])
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    _repr_svg_ = svg


def describe(node: Node) -> Mapping[str, Any]:
    """One node for a picture."""
    value = shorten(brief(node.value).replace("\n", " "), 48)
    if isinstance(node, Version):
        return {
            "kind": "parameter" if node.requires else "frozen",
            "label": label_of(node),
            "value": value,
            "persistent": True,
            "version": node.version,
        }
    extra = peek(node)
    name = extra.name or extra.role if extra is not None else None
    if not isinstance(node, Record):
        return {"kind": "input", "label": name or "value", "value": value, "persistent": False}
    op = node.op
    failed = extra is not None and extra.call is not None and extra.call.error is not None
    kind = "error" if failed else "model" if op is not None and op.kind == "model" else "value"
    return {
        "kind": kind,
        "label": name or (op.name if op is not None else "freed"),
        "value": value,
        "persistent": False,
        "op": op.name if op else None,
    }


def _box(box: Box, d: Mapping[str, Any]) -> str:
    fill, stroke = STYLE[d["kind"]]
    shape = 'stroke-width="2" rx="3"' if d["persistent"] else 'stroke-width="1" rx="14"'
    x, y = box.x + box.width / 2, box.y
    return (
        f"<g><title>{_text(d['label'])}: {_text(d['value'])}</title>"
        f'<rect x="{box.x:.0f}" y="{y:.0f}" width="{box.width}" height="{box.height}" fill="{fill}" stroke="{stroke}" {shape}/>'
        f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle" font-weight="600" fill="#1f2937">{_text(shorten(d["label"], 26))}</text>'
        f'<text x="{x:.0f}" y="{y + 35:.0f}" text-anchor="middle" fill="#4b5563">{_text(shorten(d["value"], 28))}</text></g>'
    )


def _line(a: Box, b: Box, name: str) -> str:
    x1, y1, x2, y2 = a.x + a.width / 2, a.y + a.height, b.x + b.width / 2, b.y
    middle = (y1 + y2) / 2
    dash = ' stroke-dasharray="4 3"' if name == "after" or name.startswith("read:") else ""
    label = shorten(name, 22)
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}" fill="none" stroke="#9ca3af"{dash} '
        f'marker-end="url(#tip)"/><text x="{(x1 * 3 + x2) / 4 + 4:.0f}" y="{y1 + 14:.0f}" font-size="10" fill="#6b7280">{_text(label)}</text>'
    )


def _text(text: str) -> str:
    """Escaped for XML, control characters shown."""
    return escape("".join(c if c.isprintable() else "·" for c in text), quote=True)


def _mermaid(text: str) -> str:
    safe = "".join(c if c.isprintable() and c not in '"#;<>[]{}()|`\\' else f"#{ord(c)};" if c.isprintable() else " " for c in text)
    return safe or " "
