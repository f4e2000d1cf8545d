#!/usr/bin/env python3
"""Convert a log of the Parallel Workloads Archive to session events for `billing meter ingest`.

The archive keeps job logs of supercomputers in the Standard Workload Format (SWF): a header of
`;` lines, then a line of 18 numbers for each job, -1 where a number is not known. Each job
becomes a session: `session.created` when it starts (submit time + wait time) and
`session.terminated` when it has run, in StreamSpace's webhook form, one JSON object a line.

The same log and options always give the same bytes, and memory does not grow with the log.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from billing_cli.pricing.instants import format_instant, parse_instant
from billing_cli.pricing.quantities import parse_cpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

STDIO: Final = "-"
UNKNOWN: Final = -1
# Lines of a job that was interrupted, one for each time it ran; they follow the line of the
# whole job, so counting them would bill it twice.
PARTIAL_STATUSES: Final = frozenset({2, 3, 4})
# Where a line holds what is used here, from 0, and what the format calls it.
FIELDS: Final = {
    0: "job number",
    1: "submit time",
    2: "wait time",
    3: "run time",
    4: "allocated processors",
    7: "requested processors",
    10: "status",
    11: "user",
}
FIELD_COUNT: Final = 18


class Job(NamedTuple):
    """What is used of a line: times in seconds, the first since the log's start; -1 is unknown."""

    number: int
    submitted: int
    waited: int
    ran: int
    allocated: int
    requested: int
    status: int
    user: int


class Size(NamedTuple):
    """What one processor stands for."""

    millicores: int
    mebibytes: int


class LogError(ValueError):
    """What is wrong with a log, in one line."""


def convert(
    lines: Iterable[str], size: Size, *, name: str, start: int | None, skipped: Counter[str]
) -> Iterator[str]:
    """Yield the two events of each job in the SWF text ``lines``, as lines of JSON.

    ``start`` (epoch seconds) takes the place of the header's UnixStartTime. ``skipped`` counts
    the jobs left out, by reason. LogError names the line that is no SWF.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith(";"):
            if start is None:
                start = start_in_header(text)
        elif text:
            try:
                job = parse_job(text)
            except ValueError as error:
                raise LogError(f"line {number}: {error}") from None
            if reason := why_skipped(job):
                skipped[reason] += 1
            elif start is None:
                raise LogError("the header has no UnixStartTime: say --start")
            else:
                yield from events_of(job, size, name, start)


def start_in_header(text: str) -> int | None:
    """Return the UnixStartTime that the header line ``text`` gives, None if it is another."""
    key, _, value = text.lstrip("; ").partition(":")
    if key.strip() != "UnixStartTime" or not value.strip().isdecimal():
        return None
    return int(value)


def parse_job(text: str) -> Job:
    """Return the job in the line ``text``; ValueError says why there is none."""
    cells = text.split()
    if len(cells) != FIELD_COUNT:
        raise ValueError(f"a job has {FIELD_COUNT} fields, not {len(cells)}")
    values = []
    for place, field in FIELDS.items():
        try:
            values.append(int(cells[place]))
        except ValueError:
            raise ValueError(f"{field}: {cells[place]!r} is not a whole number") from None
    return Job(*values)


def why_skipped(job: Job) -> str:
    """Return why ``job`` cannot become a session, nothing if it can."""
    if job.status in PARTIAL_STATUSES:
        return "part of a job that has a line of its own"
    if job.submitted < 0:
        return "no submit time"
    if job.ran < 0:
        return "no run time"
    if max(job.allocated, job.requested) < 1:
        return "no processors"
    return ""


def events_of(job: Job, size: Size, name: str, start: int) -> Iterator[str]:
    """Yield the events that start and end the session of ``job``."""
    session = f"{name}-{job.number}"
    user = "user-unknown" if job.user == UNKNOWN else f"user-{job.user:03}"
    processors = job.allocated if job.allocated > 0 else job.requested
    millicores, mebibytes = processors * size.millicores, processors * size.mebibytes
    cpu = f"{millicores}m" if millicores % 1000 else f"{millicores // 1000}"
    memory = f"{mebibytes}Mi" if mebibytes % 1024 else f"{mebibytes // 1024}Gi"
    started = start + job.submitted + max(job.waited, 0)
    whose = {"id": session, "user": user}
    resources = {"cpu": cpu, "memory": memory}
    created = {**whose, "state": "running", "resources": resources}
    yield event(f"{session}-created", "session.created", started, created)
    yield event(f"{session}-terminated", "session.terminated", started + job.ran, whose)


def event(event_id: str, kind: str, second: int, data: Mapping[str, object]) -> str:
    """Return the event as a line of JSON."""
    document = {"id": event_id, "event": kind, "timestamp": format_instant(second), "data": data}
    return json.dumps(document, separators=(",", ":")) + "\n"


@contextlib.contextmanager
def open_input(name: str) -> Iterator[Iterable[str]]:
    """Open the log, gzipped or not; ``-`` is standard input. It is read as Latin-1.

    Headers name people and places in more than one encoding; the jobs are digits in all.
    """
    with open(sys.stdin.fileno() if name == STDIO else name, "rb") as raw:  # noqa: PTH123 - a Path takes no descriptor
        is_zipped = raw.peek(2).startswith(b"\x1f\x8b")
        lines: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if is_zipped else raw
        yield (line.decode("latin-1") for line in lines)


@contextlib.contextmanager
def open_output(name: str) -> Iterator[Callable[[str], object]]:
    """Give what writes a line to the events' file, gzipped if its name ends in ``.gz``.

    The file is there when all of it is. ``-`` is standard output.
    """
    if name == STDIO:
        yield sys.stdout.write
        return
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as raw, zipped(raw) if name.endswith(".gz") else raw as out:
            yield lambda line: out.write(line.encode())
        part.replace(name)
    finally:
        part.unlink(missing_ok=True)


def zipped(raw: BinaryIO) -> gzip.GzipFile:
    """Compress into ``raw``, with neither a time nor a name: the same events, the same bytes."""
    return gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0)


def instant(text: str) -> int:
    """Return the epoch seconds of an RFC 3339 instant given as an option."""
    second, fraction = parse_instant(text)
    if fraction or second < 0:
        raise ValueError("not a whole second from 1970 on")
    return second


def option(parse: Callable[[str], int]) -> Callable[[str], int]:
    """Have argparse show the reason of a ValueError instead of its own words."""

    def parsed(text: str) -> int:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(
        description="Convert a log in the Standard Workload Format to session events.",
        epilog="Example: swf_to_events.py NASA-iPSC-1993-3.1-cln.swf.gz -o events.jsonl.gz",
    )
    add = found.add_argument
    add("log", metavar="LOG", help="the log, gzipped or not; - is standard input")
    add(
        "-o",
        "--output",
        metavar="FILE",
        default=STDIO,
        help="the events; gzipped if the name ends in .gz (default: standard output)",
    )
    add(
        "--cores-per-processor",
        metavar="CORES",
        type=option(parse_cpu),
        default="1",
        help="what a processor is, as a Kubernetes quantity: 2, 0.5, 250m (default: %(default)s)",
    )
    add(
        "--memory-per-processor",
        metavar="SIZE",
        type=option(parse_memory),
        default="512Mi",
        help="what belongs to a processor: 512Mi, 2Gi (default: %(default)s)",
    )
    add(
        "--start",
        metavar="INSTANT",
        type=option(instant),
        help="when the log begins, as in 2025-01-01T00:00:00Z (default: its UnixStartTime)",
    )
    add(
        "--name",
        default="job",
        metavar="NAME",
        help="what the ids begin with, to tell logs apart (default: %(default)s)",
    )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert a log and say on stderr what was left out; return the exit code."""
    given = parser().parse_args(arguments)
    size = Size(given.cores_per_processor, given.memory_per_processor)
    skipped: Counter[str] = Counter()
    try:
        with open_input(given.log) as lines, open_output(given.output) as write:
            for line in convert(lines, size, name=given.name, start=given.start, skipped=skipped):
                write(line)
    except (LogError, OSError, EOFError, zlib.error) as error:
        print(f"error: {given.log}: {error}", file=sys.stderr)
        return 1
    for reason, count in sorted(skipped.items()):
        print(f"left out {count} of the lines: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
