"""The cleaned table and the record contract of each kind."""

from pinterest_platform.tables.cleaned import geolocations, pins, users
from pinterest_platform.tables.contract import Table
from pinterest_platform.tables.records import RecordContract

CLEANED: tuple[tuple[Table, RecordContract], ...] = (
    (pins.PINS, pins.RECORD),
    (geolocations.GEOLOCATIONS, geolocations.RECORD),
    (users.USERS, users.RECORD),
)
