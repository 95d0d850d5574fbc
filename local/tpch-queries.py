"""Prints the 22 queries of TPC-H as DuckDB publishes them, one JSON object a line, in their order. Nothing is fetched."""

import json
from pathlib import Path

import duckdb
import duckdb_extension_tpch

extension = (
    Path(duckdb_extension_tpch.__file__).parent / "extensions" / f"v{duckdb.__version__}" / "tpch.duckdb_extension"
)
connection = duckdb.connect(
    config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
)
connection.load_extension(str(extension))
for number, sql in connection.execute("SELECT query_nr, query FROM tpch_queries() ORDER BY 1").fetchall():
    print(json.dumps({"number": number, "sql": sql}))
