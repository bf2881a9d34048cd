"""Tables about the nodes of a sweep: each node with its speed and state, and throughput by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bench.cluster.analysis.node_variance import Variation
from bench.cluster.analysis.nodes import Fleet, Node, Nodes, Rates
from bench.report import units
from bench.report.content import Cell, Column, Row, Table, Tone, drop_uniform, table
from bench.report.words import setting_text

from .figure import by_speed, mark, medians


def nodes(found: Nodes) -> Table:
    """Every node, those that stand apart first, then from slow to fast."""
    columns = (
        Column("Node"),
        Column("Time ÷ median", right=True),
        Column("z", right=True),
        Column("Is"),
        Column("Unlike the others", detail=True),
        Column("Blocks", right=True),
        Column("Records", right=True, detail=True),
        Column("State", detail=True),
        Column("GPU" if any(node.gpus for node in found.nodes) else "Machine", detail=True),
        Column("GPU uuid", detail=True),
    )
    split = Counter(name for places in found.blocks.split.values() for name in places)
    rows = [
        _node(node, split[node.name])
        for fleet in found.fleets
        for node in sorted(by_speed(fleet), key=lambda node: not node.outlying)
    ]
    note = (
        "Time ÷ median: decode time per token over that of the median node of like hardware, from a model node × arm "
        "by least squares, additive on the logarithm. z: modified z-score (Iglewicz & Hoaglin 1993); outlying: more "
        "than 2 % away, with a z that the farthest of so many alike nodes has in one of twenty sweeps. Outlying ones "
        "are in all figures. State: medians over the node's Records."
    )
    made = table("Nodes", columns, rows, note)
    for name in ("GPU uuid", "State", "Unlike the others"):
        if all(row[[c.name for c in made.columns].index(name)].text == units.ABSENT for row in made.rows):
            made = drop_uniform(made, name)
    return made


def _node(node: Node, split: int) -> Row:
    blocks = str(len(node.blocks)) + (f" ({split} split)" if split else "")
    uuids = ", ".join(uuid[:12] for uuid in node.gpus) or units.ABSENT
    return (
        node.name,
        units.ABSENT if node.factor is None else f"×{node.factor:.3f}",
        units.ABSENT if node.z is None else f"{node.z:+.1f}",
        _judged(node),
        "; ".join(node.unusual) or units.ABSENT,
        blocks,
        str(node.records),
        _state(node),
        node.machine,
        uuids,
    )


def _judged(node: Node) -> Cell:
    if node.factor is None:
        return Cell("not compared", "muted")
    if not node.outlying:
        return Cell("as others", "same")
    return Cell("outlying, slower", "bad") if node.factor > 1 else Cell("outlying, faster", "unsure")


_SHOWN = (
    ("SM clock under load", "Hz"), ("GPU temperature under load", "degC"), ("SM clock after a Case", "Hz"),
    ("GPU temperature after a Case", "degC"), ("CPU clock", "Hz"),
)  # fmt: skip


def _state(node: Node) -> str:
    """Clock and temperature, under load where that was sampled, and what held the GPU back."""
    figures, texts = node.state.figures, []
    for kind in ("SM clock", "GPU temperature", "CPU clock"):
        name, unit = next(((n, u) for n, u in _SHOWN if n.startswith(kind) and n in figures), ("", ""))
        if name:
            texts.append(f"{units.si(figures[name], unit)}")
    busy = figures.get("cores busy with other work", 0.0)
    texts += [f"{units.number(busy, 2)} cores busy with other work"] if busy >= 0.25 else []
    held = (node.state.throttled or {}).items()
    texts += [f"{reason} in {share:.0%}" for reason, share in held if share > 0]
    return ", ".join(texts) or units.ABSENT


def throughput(fleet: Fleet, rates: Rates, several: bool) -> Table:
    """Decode tok/s of each node and scheme in one setting."""
    middles = medians(rates)
    columns = (Column("Node"), *(Column(scheme, right=True) for scheme in rates.schemes))
    ordered = [node.name for node in by_speed(fleet) if node.name in rates.rates]
    rows: list[Row] = [("median", *(Cell(units.number(middles[scheme]), "muted") for scheme in rates.schemes))]
    rows += [(name, *(_rate(rates.rates[name], scheme, middles) for scheme in rates.schemes)) for name in ordered]
    where = f" · {fleet.machine}" if several else ""
    note = "Slowest first. ↓, ↑: more than 2 % slower or faster than the scheme's median over nodes."
    return table(f"Decode tok/s by node: {setting_text(rates.setting)}{where}", columns, rows, note)


_TONES: dict[str, Tone] = {"↓ ": "bad", "↑ ": "good", "": ""}


def _rate(found: Mapping[str, float], scheme: str, middles: Mapping[str, float]) -> Cell:
    if scheme not in found:
        return Cell("–", "muted")
    sign = mark(found[scheme], middles[scheme])
    return Cell(sign + units.number(found[scheme]), _TONES[sign])


def variation(fleet: Fleet, several: bool) -> str:
    """How much nodes, blocks and the rest differ, as sentences."""
    found = fleet.variation
    where = f"{fleet.machine}: " if several else ""
    if found is None:
        return where + "How much nodes differ is not known, because no two of them timed the same arm."
    text = where + _nodes_text(found) + _blocks_text(found)
    outlying = [node.name for node in fleet.nodes if node.outlying]
    if outlying and fleet.steady is not None:
        which = outlying[0] if len(outlying) == 1 else f"the {len(outlying)} outlying nodes"
        text += f" Without {which} the others differ by {units.percent(fleet.steady.node)}."
    if fleet.parts > 1:
        text += f" Nodes fall into {fleet.parts} groups without a common arm; each is compared within its own only."
    return text[0].upper() + text[1:]


def _nodes_text(found: Variation) -> str:
    if found.node == 0.0:
        return f"the {found.nodes} nodes differ by no more than chance."
    bounds = "" if found.low is None else f", 95 % interval {units.percent(found.low)} to {units.percent(found.high)}"
    return (
        f"the {found.nodes} nodes differ by {units.percent(found.node)} (standard deviation of the time per token"
        f"{bounds})."
    )


def _blocks_text(found: Variation) -> str:
    rest = "" if found.rest is None else f" What is left differs by {units.percent(found.rest)}."
    if found.block is None:
        return f" No node ran two blocks, so that nodes and blocks cannot be told apart: this holds both.{rest}"
    if found.block == 0.0:
        return f" Blocks on one node differ by no more than the rest.{rest}"
    return f" Blocks on one node differ by {units.percent(found.block)}.{rest}"
