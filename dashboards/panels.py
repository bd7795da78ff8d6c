"""Measurements and fields in, Grafana panels with InfluxQL queries out."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from grafana_foundation_sdk.builders import common, stat, table, timeseries
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from streams.errors import InvalidParameterError
from streams.sinks.points import FIELDS

DATASOURCE: Final = DataSourceRef(type_val="influxdb", uid="tidegate")
POOLS: Final = '"pool" =~ /^$pool$/'
"""What the dashboard's variable lets through."""

Format = Literal["time_series", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One InfluxQL statement; ``time_series`` is drawn, ``table`` is listed."""

    influxql: str
    alias: str = ""
    form: Format = "time_series"


class Target(variants.Dataquery):
    """A query as Grafana's InfluxDB data source stores it (the SDK has no builder for it)."""

    def __init__(self, query: Query, ref_id: str, **more: object) -> None:
        self.query = query
        self.ref_id = ref_id
        self.more = more

    def to_json(self) -> dict[str, object]:
        return {
            "refId": self.ref_id,
            "datasource": {"type": DATASOURCE.type_val, "uid": DATASOURCE.uid},
            "rawQuery": True,
            "query": self.query.influxql,
            "resultFormat": self.query.form,
            "alias": self.query.alias,
            **self.more,
        }


class Built(cog.Builder[Target]):
    def __init__(self, target: Target) -> None:
        self._target = target

    def build(self) -> Target:
        return self._target


def over_time(  # noqa: PLR0913 - the parts of a query
    measurement: str,
    field: str,
    how: str = "mean",
    *,
    by: tuple[str, ...] = ("pool",),
    where: str = POOLS,
    alias: str = "",
) -> Query:
    """``how`` of a field in each interval, one line for each group.

    Raises InvalidParameterError for a field that no sink writes.
    """
    _known(measurement, field)
    what = f'{how}("{field}")'
    influxql = select(what, f'"{measurement}"', where, _groups("$__interval", by), "fill(null)")
    return Query(influxql=influxql, alias=alias or _alias(by))


def summed(
    measurement: str,
    field: str,
    *,
    by: tuple[str, ...] = ("pool",),
    step: str = "1s",
    alias: str = "",
) -> Query:
    """Added up over series at each window, then the mean in each interval."""
    _known(measurement, field)
    total = f'sum("{field}") AS "total"'
    inner = select(total, f'"{measurement}"', POOLS, _groups(step, by), "fill(none)")
    influxql = select('mean("total")', f"({inner})", "", _groups("$__interval", by), "fill(null)")
    return Query(influxql=influxql, alias=alias or _alias(by))


def listed(measurement: str, *fields: str, tags: tuple[str, ...] = ("pool",)) -> Query:
    """The newest records, for a table."""
    for field in fields:
        _known(measurement, field)
    columns = ", ".join(f'"{name}"' for name in (*tags, *fields))
    influxql = select(columns, f'"{measurement}"', POOLS, "ORDER BY time DESC LIMIT 100")
    return Query(influxql=influxql, form="table")


def one_number(measurement: str, field: str, how: str, where: str = POOLS) -> Query:
    """A single figure over the whole time shown."""
    _known(measurement, field)
    return Query(influxql=select(f'{how}("{field}")', f'"{measurement}"', where))


def lines(
    title: str,
    unit: str,
    *queries: Query,
    span: int = 12,
    about: str = "",
    floor: float | None = 0,
) -> Any:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .datasource(DATASOURCE)
        .span(span)
        .height(8)
        .line_width(1.5)
        .fill_opacity(6)
        .show_points(models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions().show_legend(True).placement(models.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI))
    )
    return _with(panel if floor is None else panel.min(floor), queries)


def figure(title: str, unit: str, query: Query, *, span: int = 4, about: str = "") -> Any:
    panel = stat.Panel().title(title).description(about).unit(unit).datasource(DATASOURCE)
    return _with(panel.span(span).height(4).no_value("0"), (query,))


def records(title: str, query: Query, *, span: int = 24, about: str = "") -> Any:
    panel = table.Panel().title(title).description(about).datasource(DATASOURCE)
    return _with(panel.span(span).height(8), (query,))


def _with(panel: Any, queries: tuple[Query, ...]) -> Any:
    for i, query in enumerate(queries):
        panel = panel.with_target(Built(Target(query, chr(ord("A") + i))))
    return panel


def _known(measurement: str, field: str) -> None:
    if field not in FIELDS.get(measurement, ()):
        known = ", ".join(FIELDS.get(measurement, FIELDS))
        raise InvalidParameterError(f"field of {measurement}", field, f"one of {known}")


def select(what: str, source: str, where: str = "", *rest: str) -> str:
    """An InfluxQL statement within the time that is shown."""
    shown = ("$timeFilter", "AND", where) if where else ("$timeFilter",)
    return " ".join(("SELECT", what, "FROM", source, "WHERE", *shown, *rest))


def _groups(step: str, by: tuple[str, ...]) -> str:
    return "GROUP BY " + ", ".join([f"time({step})", *(f'"{name}"' for name in by)])


def _alias(by: tuple[str, ...]) -> str:
    return " ".join(f"$tag_{name}" for name in by)
