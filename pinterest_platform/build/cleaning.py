"""Updates the cleaned tables and quarantine from the raw tables, parsing each new row once."""

from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, reduce
from operator import or_
from threading import Lock

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pinterest_platform.build.table_rows import TableRows
from pinterest_platform.kinds import KINDS
from pinterest_platform.lake.conflicts import retried
from pinterest_platform.lake.delta import Lake
from pinterest_platform.lake.spool import has_spool, spooled
from pinterest_platform.lake.stored_rows import of_days
from pinterest_platform.tables.cleaned.balance import balance
from pinterest_platform.tables.cleaned.contracts import CLEANED
from pinterest_platform.tables.cleaned.quarantine import QUARANTINE, quarantined
from pinterest_platform.tables.contract import Table
from pinterest_platform.tables.records import (
    RecordContract,
    newest_of_day,
    newest_of_day_in_one_pass,
    parsed,
    united,
    usable,
)

CONTRACTS = {table.full_name: contract for table, contract in CLEANED}

# Earlier than every ingestion.
_BEFORE_ALL = -1


@dataclass
class _Plan:
    """The days to rebuild, and the days to add records to.

    Args:
        rebuilt: the days whose rows are replaced.
        since: for each kind and each other day with new raw rows, the last ingestion that is
            cleaned, in microseconds since 1970.
    """

    rebuilt: set[date] = field(default_factory=set)
    since: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))

    def added(self, *kinds: str) -> set[date]:
        """The days that get new records of these kinds without being rebuilt."""
        return {day for kind in kinds for day in self.since[kind]}


class Cleaning:
    """Cleans the raw rows of a request's days.

    Args:
        spark: the session.
        lake: the tables.
        rows: of the request.
        spools: takes the parsed records, and deletes them when it is closed.
        full: whether to rebuild the days. Otherwise, only rows that were ingested after the cleaned
            ones are cleaned, except on days whose rows do not add up: after an ingestion that was
            committed late, or in a table that lost rows. Those days are rebuilt.
    """

    def __init__(
        self, spark: SparkSession, lake: Lake, rows: TableRows, spools: ExitStack, *, full: bool
    ) -> None:
        self._spark = spark
        self._lake = lake
        self._rows = rows
        self._spools = spools
        self._full = full
        self._parsed: dict[str, DataFrame] = {}
        # The one update of quarantine, which may be part of several threads' updates.
        self._quarantined: Future[None] | None = None
        self._lock = Lock()
        self._newest = newest_of_day if has_spool(spark) else newest_of_day_in_one_pass

    def update(self, table: Table) -> None:
        """Bring a cleaned table up to date.

        The first update of a request includes quarantine, even if the request does not name it.
        Otherwise, records that a cleaned table rejects would be in no table.
        """
        with self._lock:
            if self._quarantined is None:
                self._quarantined = Future()
                try:
                    self._update_quarantine()
                    self._quarantined.set_result(None)
                except Exception as error:
                    self._quarantined.set_exception(error)
        self._quarantined.result()
        if table is not QUARANTINE:
            self._update_cleaned(table, CONTRACTS[table.full_name])

    def _update_quarantine(self) -> None:
        rebuilt, added = self._plan.rebuilt, self._plan.added(*KINDS)
        if rebuilt:
            self._lake.replace_days(QUARANTINE, lambda: self._unusable(rebuilt), rebuilt)
        if added:
            self._lake.add(QUARANTINE, lambda: self._unusable(added), added)

    def _update_cleaned(self, table: Table, contract: RecordContract) -> None:
        rebuilt, added = self._plan.rebuilt, self._plan.added(contract.kind.name)
        if rebuilt:
            self._lake.replace_days(
                table, lambda: self._newest(self._usable(contract, rebuilt)), rebuilt
            )
        if added:
            self._lake.upsert(
                table,
                lambda: self._newest(self._with_current(table, contract, added)),
                days=added,
                newer="ingested_at",
            )

    @cached_property
    def _plan(self) -> _Plan:
        # Planned before the first write, which changes the balance.
        if self._full:
            return _Plan(set(self._rows.days))
        return retried(self._planned)

    def _planned(self) -> _Plan:
        kinds = [contract.kind for contract in CONTRACTS.values()]
        ingestions: dict[tuple[str, date], list[tuple[int | None, int, int]]] = defaultdict(list)
        for row in balance(self._rows, kinds, "kind", "day", "ingested_at").collect():
            ingestions[row["kind"], row["day"]].append(
                (row["ingested_at"], row["raw_rows"], row["accounted_rows"])
            )
        cleaned = {day for (_, day), found in ingestions.items() if any(each[2] for each in found)}
        plan = _Plan()
        for (kind, day), found in ingestions.items():
            # Null in tables of an earlier contract.
            known = [(at, raw, accounted) for at, raw, accounted in found if at is not None]
            last = max((at for at, _, accounted in known if accounted), default=_BEFORE_ALL)
            until_last = sum(raw for at, raw, _ in known if at <= last)
            accounted = sum(each[2] for each in found)
            if day not in cleaned or until_last != accounted:
                plan.rebuilt.add(day)
            elif any(at > last for at, _, _ in known):
                plan.since[kind][day] = last
        # Quarantine holds all kinds, so a day is rebuilt for all of them or for none.
        for days in plan.since.values():
            for day in plan.rebuilt & set(days):
                del days[day]
        return plan

    def _records(self, contract: RecordContract) -> DataFrame:
        """The parsed records of the planned days."""
        kind = contract.kind
        if kind.name not in self._parsed:
            to_clean = [F.col("day").isin([*self._plan.rebuilt])]
            for day, micros in self._plan.since[kind.name].items():
                later = F.col("ingested_at") > F.timestamp_micros(F.lit(micros))
                to_clean.append((F.col("day") == F.lit(day)) & later)
            raw_rows = united(*map(self._rows, kind.raw_tables)).where(reduce(or_, to_clean))
            self._parsed[kind.name] = self._spools.enter_context(
                spooled(self._spark, parsed(raw_rows, contract))
            )
        return self._parsed[kind.name]

    def _unusable(self, days: Collection[date]) -> DataFrame:
        return united(
            *(
                quarantined(of_days(self._records(contract), days), contract.kind)
                for contract in CONTRACTS.values()
            )
        )

    def _usable(self, contract: RecordContract, days: Collection[date]) -> DataFrame:
        return usable(of_days(self._records(contract), days), contract)

    def _with_current(
        self, table: Table, contract: RecordContract, days: Collection[date]
    ) -> DataFrame:
        """The usable records of the days, and the current cleaned rows of their posts."""
        records = self._usable(contract, days)
        current = of_days(self._lake.read(table), days)
        # Sail holds the left side of a join in memory, so the smaller one comes first.
        posts = records.select("day", "ind").distinct()
        return records.unionAll(posts.join(current, ["day", "ind"]).select(*records.columns))
