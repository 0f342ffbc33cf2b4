"""The days: how raw and cleaned tables are partitioned."""

import dagster as dg

from pinterest_platform.settings import load

# By the UTC date of arrival, today included: its arrivals are carried on while it lasts.
DAILY = dg.DailyPartitionsDefinition(start_date=load().start_date.isoformat(), end_offset=1)
