"""The flow matrix as a picture for the PAS file: SVG, in French, readable without colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from orchestrator.environment import Environment, FlowMatrix

_WIDTH, _BOX, _GAP, _TOP = 1100, 200, 30, 70
_LANE, _LINE = 26, 22  # height of a flow in a box, and of a row of the legend


@dataclass(frozen=True)
class Box:
    """A host or a network, and where it stands."""

    name: str
    about: str
    x: int
    y: int
    height: int
    host: bool


@dataclass(frozen=True)
class Arrow:
    """The flows from one box to another, with the numbers that the legend explains."""

    numbers: str
    path: str
    x: float
    y: float


def draw_flows(environment: Environment, matrix: FlowMatrix) -> str:
    """The SVG: networks that open flows on the left, hosts in the middle, the others right."""
    pairs: dict[tuple[str, str], list[int]] = {}
    for number, flow in enumerate(matrix.flows, 1):
        for pair in product(flow.sources, flow.destinations):
            pairs.setdefault(pair, []).append(number)
    about = {network.name: network.description for network in matrix.networks}
    hosts = {host.name: host.function for host in environment.hosts}
    left = [name for name in about if any(source == name for source, _ in pairs)]
    right = [name for name in about if any(target == name for _, target in pairs)]
    columns = [
        _column(_GAP, left, about, [s for s, _ in pairs], host=False),
        _column(
            (_WIDTH - _BOX) // 2,
            list(hosts),
            hosts,
            [end for pair in pairs for end in pair],
            host=True,
        ),
        _column(_WIDTH - _BOX - _GAP, right, about, [t for _, t in pairs], host=False),
    ]
    bottom = max(box.y + box.height for column in columns for box in column.values())
    legend = bottom + 2 * _GAP
    template = Templates(
        loader=PackageLoader("orchestrator.flows"), autoescape=True, undefined=StrictUndefined
    ).get_template("flows.svg.j2")
    return template.render(
        environment=environment,
        boxes=[box for column in columns for box in column.values()],
        arrows=_arrows(pairs, columns, hosts),
        flows=list(enumerate(matrix.flows, 1)),
        width=_WIDTH,
        box_width=_BOX,
        legend=legend,
        line=_LINE,
        height=legend + _LINE * (len(matrix.flows) + 1),
    )


def _column(
    x: int, names: Sequence[str], about: dict[str, str], ends: Sequence[str], *, host: bool
) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    y = _TOP
    for name in names:
        height = max(2, ends.count(name)) * _LANE + _LANE
        boxes[name] = Box(name, about[name], x, y, height, host)
        y += height + _GAP
    return boxes


def _arrows(
    pairs: Mapping[tuple[str, str], Sequence[int]],
    columns: Sequence[dict[str, Box]],
    hosts: dict[str, str],
) -> list[Arrow]:
    left, middle, right = columns
    used: dict[tuple[str, int], int] = {}

    def lane(box: Box, column: int) -> int:
        """The next free height of a box, below its name."""
        place = box.name, 1 if box.host else column
        taken = used.get(place, 0)
        used[place] = taken + 1
        return box.y + _LANE + taken * _LANE + _LANE // 2

    arrows = []
    for (source, target), numbers in pairs.items():
        label = ", ".join(map(str, numbers))
        if source in hosts and target in hosts:
            # Between hosts: a bow beside their column.
            start, end = middle[source], middle[target]
            x, y1, y2 = start.x + _BOX, lane(start, 1), lane(end, 1)
            path = f"M {x} {y1} C {x + 60} {y1}, {x + 60} {y2}, {x} {y2}"
            arrows.append(Arrow(label, path, x + 45, (y1 + y2) / 2))
            continue
        start, column = (middle[source], 1) if source in hosts else (left[source], 0)
        end, other = (middle[target], 1) if target in hosts else (right[target], 2)
        x1, y1, x2, y2 = start.x + _BOX, lane(start, column), end.x, lane(end, other)
        path = f"M {x1} {y1} C {x1 + 60} {y1}, {x2 - 60} {y2}, {x2} {y2}"
        arrows.append(Arrow(label, path, (x1 + x2) / 2, (y1 + y2) / 2))
    return arrows
