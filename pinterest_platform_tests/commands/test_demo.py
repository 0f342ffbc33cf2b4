"""``pinterest demo``, as a newcomer runs it."""

from pathlib import Path

from deltalake import DeltaTable

from pinterest_platform.tables.catalog import OUTPUTS
from pinterest_platform_tests.process import Pinterest


def test_the_demo_makes_and_prints_the_eleven_tables(tmp_path: Path) -> None:
    pinterest = Pinterest(tmp_path / "home")
    shown = pinterest("demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for table in OUTPUTS:
        rows = DeltaTable(f"{pinterest.lake}/analytics/{table.name}").to_pyarrow_table().num_rows
        assert rows > 0
        counted = "1 row" if rows == 1 else f"{rows:,} rows"
        assert f"{table.full_name} ({counted})" in shown.stdout
    raw = DeltaTable(f"{pinterest.lake}/raw/pin").to_pyarrow_table(columns=["day"])
    # 2,000 posts, and a tenth of them a second time.
    assert raw.num_rows == 2200
    assert "Time of each stage" in shown.stdout
    assert "make ui" in shown.stdout
