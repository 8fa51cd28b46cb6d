"""Which runs are done already? A file has a line for each; several sweeps may write to it."""

import json
import os
import re
import reprlib
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from tinygrad_edu.lab.runs import Run, Settings, key, labels

if sys.platform == "win32":
    import msvcrt

    def lock(file: BinaryIO) -> None:
        file.seek(2**30)  # after the end: on Windows nobody can read or write a locked byte
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def lock(file: BinaryIO) -> None:
        with suppress(OSError):  # some file systems have no locks; checksums find mixed lines there
            fcntl.flock(file, fcntl.LOCK_EX)


# A line is a run as JSON. The checksum at its end shows damage that leaves valid JSON, such as
# another digit.
BEGINS = b'{"settings": '
END = re.compile(rb', "crc32": "([0-9a-f]{8})"}')

Fields = dict[str, Any]


class RunLog:
    """The file of a sweep: it has the finished runs.

    programs  {key of a run: the program that makes this run}, for all runs of the sweep
    runs      {key of a run: the run}, for the runs in the file that these programs made
    """

    def __init__(self, path: Path, programs: Mapping[str, str]) -> None:
        self.path = path.absolute()  # a run may change the current folder
        self.programs = programs
        self.runs: dict[str, Run] = {}
        self.read_to = 0
        self.reading = threading.Lock()

    def settings(self) -> list[Settings]:
        """The labels of all settings that are in the file, of whatever program, each once."""
        with locked(self.path) as file:
            names = [name for name, _ in Lines(file.read()).runs]
        found = [json.loads(name)[0] for name in names]
        return list({key(labels): labels for labels in found}.values())

    def read(self) -> dict[str, Run]:
        """Read the whole file and return its runs. Create the file if it does not exist.

        Warns of damaged lines, and of runs that another version of the program made. Raises
        ValueError for a file that is not from a sweep.
        """
        with locked(self.path) as file:
            data = file.read()
        self.read_to = len(data)
        found = runs_in(data, self.path)
        self.take(found)
        changed = {name for name, _ in found} & (self.programs.keys() - self.runs.keys())
        if changed:
            warnings.warn(
                f"{self.path} has {len(changed)} of these runs from another version of run, of "
                "what it calls, or of tinygrad_edu: these runs are made again",
                stacklevel=3,
            )
        return self.runs

    def refresh(self) -> dict[str, Run]:
        """Read the lines that were added to the file since the last time. Return all runs."""
        # joblib may call this in a thread that hides errors. If the file is lost, `add` raises.
        with self.reading, suppress(OSError):
            with locked(self.path) as file:
                file.seek(self.read_to)
                data = file.read()
            data = data[: data.rfind(b"\n") + 1]
            self.read_to += len(data)
            self.take(Lines(data).runs)
        return self.runs

    def take(self, found: Mapping[tuple[str, str], Fields]) -> None:
        """Keep the runs that these programs have made."""
        for (name, program), fields in found.items():
            if self.programs.get(name) == program:
                self.runs[name] = Run(**fields)

    def add(self, name: str, run: Run) -> None:
        """Append a run to the file. The line is on the disk when this returns."""
        line = line_of(run, self.programs[name])
        with locked(self.path) as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # half a line, from a sweep that was killed
                    line = b"\n" + line
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Open the file to read it and to append to it. Other sweeps wait until it is closed."""
    with open(path, "a+b", buffering=0) as file:
        lock(file)
        file.seek(0)
        yield file


def line_of(run: Run, program: str) -> bytes:
    """The line of the file for a run that this program made."""
    fields = vars(run) | {"settings": labels(run.settings), "program": program}
    text = json.dumps(fields).encode()
    return text[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(text)


class Lines:
    """The contents of a file, or of a part of it.

    runs     {(key, program): fields of the run}, without runs that raised an error; if there are
             several with one key, the last
    any      whether there is any undamaged run
    damaged  the numbers of the lines that contain more than undamaged runs
    foreign  the numbers of the damaged lines that do not begin like a run
    """

    def __init__(self, data: bytes) -> None:
        self.runs: dict[tuple[str, str], Fields] = {}
        self.any = False
        self.damaged: list[int] = []
        self.foreign: list[int] = []
        for number, line in enumerate(data.split(b"\n"), start=1):
            whole, rest = whole_runs(line)
            self.any |= bool(whole)
            for fields in whole:
                program, name = fields.pop("program"), key(fields["settings"], fields["seed"])
                if fields["verdict"] != "error":
                    self.runs[name, program] = fields
            if rest.strip(b"\0 \r") or (line.strip() and not whole):
                self.damaged.append(number)
                text = rest.strip(b"\0 \r")
                if text[: len(BEGINS)] != BEGINS[: len(text)]:
                    self.foreign.append(number)


def whole_runs(line: bytes) -> tuple[list[Fields], bytes]:
    """The runs in a line whose checksums are right, and the other bytes of the line.

    A line has one run, or several if the ends of lines are lost.
    """
    found, rest, read_to = [], b"", 0
    start = line.find(BEGINS)
    while start >= 0:
        for end in END.finditer(line, start):
            text = line[start : end.start()] + b"}"
            if zlib.crc32(text) == int(end[1], 16):
                found.append(json.loads(text))
                rest += line[read_to:start]
                start = read_to = end.end()
                break
        else:
            start += 1
        start = line.find(BEGINS, start)
    return found, rest + line[read_to:]


def runs_in(data: bytes, path: Path) -> dict[tuple[str, str], Fields]:
    """{(key, program): fields of the run}, without runs that raised an error.

    Warns of damaged lines. Raises ValueError for a file that is not from a sweep.
    """
    lines = Lines(data)
    if lines.foreign and not lines.any:
        raise ValueError(
            f"{path} is not a file of a sweep: line {lines.foreign[0]} is not a run, and no other "
            "line is one. Give another path"
        )
    if lines.damaged:
        warnings.warn(
            f"{path} is damaged in lines {reprlib.repr(lines.damaged)}: the runs there are lost. "
            "They are made again, unless another line has them",
            stacklevel=4,
        )
    return lines.runs
