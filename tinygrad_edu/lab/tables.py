"""How do other programs read the runs of a sweep? As a table: CSV, Parquet or SQLite."""

import csv
import io
import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_edu.cleanup import afterwards
from tinygrad_edu.lab.runs import Run, labels
from tinygrad_edu.train.checkpoint import replace_file

# Each run is a row. The name of a column begins with the field of the run, as in "numbers.loss",
# because a setting and a number may have the same name. The budget of a search is a setting.
SETTINGS, BUDGET, NUMBERS, CURVES = "settings.", "budget.", "numbers.", "curves."
ALWAYS = "seed", "verdict", "reason"
# The kinds of columns, with their types in SQLite. JSON holds lists and values of several types.
SQL = {
    "bool": "BOOLEAN",
    "int": "INTEGER",
    "float": "REAL",
    "text": "TEXT",
    "json": "JSON TEXT",
    "curve": "CURVE TEXT",
}
NAN = "not a number"  # SQL has no nan: this column lists the names of the numbers that are nan
LONGEST = 2**31 - 1  # the most characters that a cell of CSV, such as a curve, may have


@dataclass(frozen=True)
class Column:
    """A column of a table. A cell is None where the run does not have this value."""

    kind: str
    cells: list[Any]


Table = dict[str, Column]


def write_table(runs: Sequence[Run], budget: str | None, path: str | Path) -> None:
    """Write runs to a file in the format of its suffix."""
    path = Path(path)
    write, _ = format_of(path)
    write(table_of(runs, budget), path)


def read_table(path: str | Path) -> tuple[list[Run], str | None]:
    """The runs in a file and the name of their budget, if there is one."""
    path = Path(path)
    _, read = format_of(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: check the name and the folder")
    table = read(path)
    lacking = [name for name in ALWAYS if name not in table]
    if lacking:
        raise ValueError(
            f"{path} is not a table that Sweep.save wrote: it lacks {', '.join(lacking)}"
        )
    return runs_of(table)


def format_of(path: Path) -> tuple[Callable[[Table, Path], None], Callable[[Path], Table]]:
    formats = {
        ".csv": (write_csv, read_csv),
        ".parquet": (write_parquet, read_parquet),
        ".sqlite": (write_sqlite, read_sqlite),
    }
    if path.suffix not in formats:
        raise ValueError(f"the name of a table must end in {', '.join(formats)}, and it is {path}")
    return formats[path.suffix]


# From runs to columns, and back


def table_of(runs: Sequence[Run], budget: str | None) -> Table:
    settings = [labels(run.settings) for run in runs]
    table: Table = {}
    for name in names_in(settings):
        cells = [each.get(name) for each in settings]
        table[(BUDGET if name == budget else SETTINGS) + name] = Column(kind_of(cells), cells)
    seeds = [run.seed for run in runs]
    table["seed"] = Column(kind_of(seeds), seeds)
    for name in names_in(run.numbers for run in runs):
        table[NUMBERS + name] = Column("float", [run.numbers.get(name) for run in runs])
    for name in names_in(run.curves for run in runs):
        table[CURVES + name] = Column("curve", [run.curves.get(name) for run in runs])
    table["verdict"] = Column("text", [run.verdict for run in runs])
    table["reason"] = Column("text", [run.reason for run in runs])
    return table


def runs_of(table: Table) -> tuple[list[Run], str | None]:
    budget = next((name[len(BUDGET) :] for name in table if name.startswith(BUDGET)), None)
    rows = [dict(zip(table, cells)) for cells in zip(*(x.cells for x in table.values()))]
    return [
        Run(
            parts(row, SETTINGS) | parts(row, BUDGET),
            row["seed"],
            there(parts(row, NUMBERS)),
            there(parts(row, CURVES)),
            row["verdict"],
            row["reason"],
        )
        for row in rows
    ], budget


def names_in(dicts: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for each in dicts for name in each))


def parts(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: x for name, x in row.items() if name.startswith(prefix)}


def there(cells: Mapping[str, Any]) -> dict[str, Any]:
    return {name: x for name, x in cells.items() if x is not None}


def kind_of(cells: Iterable[Any]) -> str:
    """The kind of a column: that of its only type, float for int and float, JSON otherwise."""
    found = {type(x) for x in cells if x is not None}
    numbers = [x for x in cells if isinstance(x, int | float)]
    if any(math.isnan(x) or (isinstance(x, int) and not -(2**63) <= x < 2**63) for x in numbers):
        return "json"
    kinds = {bool: "bool", int: "int", float: "float", str: "text"}
    if len(found) == 1:
        return kinds.get(found.pop(), "json")
    return "float" if found == {int, float} else "json"


# CSV: a cell is a text, or the JSON of any other value


def write_csv(table: Table, path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)  # it ends lines with \r\n, so it quotes texts with either
    writer.writerow(table)
    columns = [[to_csv(name, x) for x in column.cells] for name, column in table.items()]
    writer.writerows(zip(*columns))
    replace_file(path, text.getvalue().encode())


def read_csv(path: Path) -> Table:
    before = csv.field_size_limit()
    with (
        afterwards(lambda: csv.field_size_limit(before)),
        path.open(newline="", encoding="utf-8-sig") as file,
    ):
        csv.field_size_limit(LONGEST)
        names, *rows = list(csv.reader(file)) or [[]]
    for i, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise ValueError(
                f"row {i} of {path} has {len(row)} cells, and row 1 has {len(names)}: "
                "save the sweep again"
            )
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    return {
        name: Column("", [from_csv(name, x) for x in column])
        for name, column in zip(names, cells, strict=True)
    }


def to_csv(name: str, x: Any) -> str:
    if name.startswith((NUMBERS, CURVES)):
        return "" if x is None else json.dumps(x)
    if name in ("verdict", "reason") or (isinstance(x, str) and from_json(x) is x):
        return x
    return json.dumps(x)


def from_csv(name: str, text: str) -> Any:
    if name in ("verdict", "reason"):
        return text
    if name.startswith((NUMBERS, CURVES)):
        return json.loads(text) if text else None
    return from_json(text)


def from_json(text: str) -> Any:
    """The value if the text is JSON, or else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


# Parquet


def write_parquet(table: Table, path: Path) -> None:
    pa, parquet = pyarrow()
    kinds = {
        "bool": pa.bool_(),
        "int": pa.int64(),
        "float": pa.float64(),
        "text": pa.string(),
        "json": pa.string(),
        "curve": pa.list_(pa.float64()),
    }
    fields = [
        pa.field(name, kinds[column.kind], metadata={"kind": column.kind})
        for name, column in table.items()
    ]
    arrays = [
        pa.array(map(json.dumps, x.cells) if x.kind == "json" else x.cells, field.type)
        for x, field in zip(table.values(), fields)
    ]
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), file)
    replace_file(path, file.getvalue())


def read_parquet(path: Path) -> Table:
    pa, parquet = pyarrow()
    try:
        found = parquet.read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None
    table = {}
    for field, column in zip(found.schema, found.columns):
        kind = (field.metadata or {}).get(b"kind", b"").decode()
        cells = lists_in(column) if kind == "curve" else column.to_pylist()
        table[field.name] = Column(kind, list(map(json.loads, cells)) if kind == "json" else cells)
    return table


def lists_in(column: Any) -> list[list[float] | None]:
    """The same as to_pylist, but faster: all numbers are converted at once."""
    found = []
    for chunk in column.chunks:
        numbers, ends = chunk.values.to_numpy().tolist(), chunk.offsets.to_pylist()
        rows = zip(ends, ends[1:], chunk.is_valid().to_pylist())
        found += [numbers[start:end] if valid else None for start, end, valid in rows]
    return found


def pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = 'a .parquet file needs pyarrow: pip install "tinygrad_edu[tables]"'
        raise ImportError(message, name="pyarrow") from error
    return pyarrow, parquet


# SQLite: the runs are the table `runs`. Other tables in the file are not touched


def write_sqlite(table: Table, path: Path) -> None:
    names = [*table, NAN]
    kinds = [*(SQL[column.kind] for column in table.values()), SQL["json"]]
    columns = [list(map(to_sql(column.kind), column.cells)) for column in table.values()]
    numbers = {name: x.cells for name, x in table.items() if name.startswith(NUMBERS)}
    undefined = [
        json.dumps([name for name, x in zip(numbers, row) if x is not None and math.isnan(x)])
        for row in zip(*numbers.values())
    ] or ["[]"] * len(columns[0])
    declared = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(names, kinds))
    folded: dict[str, str] = {}
    for name in names:
        if (other := folded.setdefault(name.lower(), name)) != name:
            raise ValueError(
                f"SQLite does not distinguish the columns {other} and {name} in {path}: "
                "rename one of them, or save as .csv or .parquet"
            )
    with closing(connected(path)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        declared_columns(connection, path)  # it raises before a table of somebody else is dropped
        connection.execute("DROP TABLE IF EXISTS runs")
        connection.execute(f"CREATE TABLE runs ({declared})")
        places = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO runs VALUES ({places})", zip(*columns, undefined))


def read_sqlite(path: Path) -> Table:
    with closing(connected(path)) as connection:
        declared = declared_columns(connection, path)
        if not declared:
            raise ValueError(f"{path} has no table runs: is it a file that Sweep.save wrote?")
        rows = connection.execute("SELECT * FROM runs ORDER BY rowid").fetchall()
    kinds = {kind: name for name, kind in SQL.items()}
    columns = list(zip(*rows)) if rows else [()] * len(declared)
    table = {}
    for (name, kind), cells in zip(declared, columns):
        table[name] = Column(kinds[kind], list(map(from_sql(kinds[kind]), cells)))
    undefined = table.pop(NAN, Column("json", []))
    for i, names in enumerate(undefined.cells):
        for name in names:
            table[name].cells[i] = math.nan
    return table


def declared_columns(connection: sqlite3.Connection, path: Path) -> list[tuple[str, str]]:
    """The names and types of the table `runs`. Raises ValueError if another program made it."""
    found = connection.execute("SELECT name, type FROM pragma_table_info('runs')").fetchall()
    names = {name for name, _ in found}
    if found and not (names >= {*ALWAYS, NAN} and {kind for _, kind in found} <= {*SQL.values()}):
        raise ValueError(f"the table runs in {path} is not a sweep's: give another file")
    return found


def connected(path: Path) -> sqlite3.Connection:
    """A connection to the file. Raises ValueError if it is not a database."""
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.absolute().parent}")
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise  # the file is a database that is locked or cannot be opened
        raise ValueError(f"{path} is not a SQLite file: {error}") from None
    return connection


def to_sql(kind: str) -> Callable[[Any], Any]:
    if kind == "json":
        return json.dumps
    return (lambda x: x if x is None else json.dumps(x)) if kind == "curve" else lambda x: x


def from_sql(kind: str) -> Callable[[Any], Any]:
    kinds: dict[str, Callable[[Any], Any]] = {
        "json": json.loads,
        "curve": json.loads,
        "bool": bool,
    }
    read = kinds.get(kind)
    return lambda x: x if x is None or read is None else read(x)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
