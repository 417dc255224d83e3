"""Fetching the tracker's data: only what is whole takes the place of what was there."""

import http.client
import json
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar

from orchestrator.environment.tracker_address import is_safe_address
from orchestrator.errors import Incomplete

T = TypeVar("T")

_SILENCE = 30.0  # seconds without a byte
_PATIENCE = 600.0  # seconds for all of it
_LARGEST = 1 << 30  # bytes, unpacked: the data has about 80 million
_CHUNK = 1 << 18
_FAULTS = (OSError, http.client.HTTPException, zlib.error, Incomplete)


@dataclass(frozen=True)
class Origin:
    """Where data comes from, and of when it is; `trouble` says why nothing newer could be had."""

    source: str
    made: datetime
    trouble: str = ""


@dataclass(frozen=True)
class _Memory:
    """What is known of the kept data: by these the server says whether it has changed."""

    url: str
    etag: str
    last_modified: str
    made: str


def read_file(file: Path, read: Callable[[str], T]) -> tuple[T, Origin]:
    """The data of a file; it is as old as the file's time of change says."""
    try:
        content = read(file.read_text("utf-8"))
    except Incomplete as error:
        raise Incomplete(error.what, where=file, next_step=error.next_step) from error
    except UnicodeDecodeError as error:
        raise Incomplete(f"this is no text: {error.reason}", where=file) from error
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return content, Origin(str(file), made)


def fetch(
    url: str,
    directory: Path,
    read: Callable[[str], T],
    *,
    now: datetime,
    silence: float = _SILENCE,
    patience: float = _PATIENCE,
) -> tuple[T, Origin]:
    """The data at `url`; `directory` keeps it, for the next time and for when it cannot be had.

    `read` raises Incomplete for what is not right, which then takes nobody's place. The times are
    in seconds: without a byte, and in all. Raises Incomplete when there is nothing kept either.
    """
    kept, notes = directory / "tracker.json", directory / "tracker.notes.json"
    memory = _remembered(notes, url) if kept.exists() else None
    arrived = directory / "tracker.json.new"
    try:
        news = _download(url, memory, arrived, now, silence, patience)
        if news is not None:
            content = read(arrived.read_text("utf-8"))
            arrived.replace(kept)
            notes.write_text(json.dumps(asdict(news)))
            return content, Origin(url, datetime.fromisoformat(news.made))
        trouble = ""
    except (*_FAULTS, UnicodeDecodeError) as error:
        trouble = f"{url} could not be read: {_in_words(error)}"
    finally:
        arrived.unlink(missing_ok=True)
    if memory is None:
        raise Incomplete(
            trouble,
            where=directory,
            next_step="fetch it where it can be reached, and name the file with --data",
        )
    made = datetime.fromisoformat(memory.made)
    if not trouble and not memory.last_modified:
        made = now  # the server has just said that nothing has changed
        notes.write_text(json.dumps(asdict(memory) | {"made": made.isoformat()}))
    return read(kept.read_text("utf-8")), Origin(f"{url}, kept", made, trouble)


def _download(
    url: str, memory: _Memory | None, to: Path, now: datetime, silence: float, patience: float
) -> _Memory | None:
    """Write the data to a file; None when it is what `memory` knows already."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310
    if memory and memory.etag:
        request.add_header("If-None-Match", memory.etag)
    if memory and memory.last_modified:
        request.add_header("If-Modified-Since", memory.last_modified)
    deadline = time.monotonic() + patience
    try:
        with urllib.request.urlopen(request, timeout=silence) as response:  # noqa: S310 - see below
            # Whoever can change the data on its way can hide what is open.
            if not is_safe_address(response.url):
                raise Incomplete(f"it leads to {response.url}, which is not encrypted")
            with to.open("wb") as file:
                for part in _unpacked(response, deadline):
                    file.write(part)
            last_modified = response.headers.get("Last-Modified", "")
            made = _date(last_modified)
            return _Memory(
                url=url,
                etag=response.headers.get("ETag", ""),
                last_modified=last_modified if made else "",
                # Never later than now: a wrong clock makes nothing younger.
                made=min(made or now, now).isoformat(),
            )
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.NOT_MODIFIED and memory:
            return None
        raise


def _unpacked(response: http.client.HTTPResponse, deadline: float) -> Iterator[bytes]:
    packed = response.headers.get("Content-Encoding", "") == "gzip"
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    # Reading in parts, http.client takes the end of the connection for the end of the content.
    awaited = int(response.headers.get("Content-Length") or -1)
    arrived = written = 0
    while part := response.read1(_CHUNK):
        arrived += len(part)
        content = unpacker.decompress(part, _LARGEST) if packed else part
        written += len(content)
        if written > _LARGEST:
            raise Incomplete(f"it is larger than {_LARGEST >> 20} MiB")
        if time.monotonic() > deadline:
            raise Incomplete("it takes too long")
        yield content
    if (awaited >= 0 and arrived != awaited) or (packed and not unpacker.eof):
        raise Incomplete(f"it was cut after {arrived} bytes")


def _date(last_modified: str) -> datetime | None:
    try:
        return parsedate_to_datetime(last_modified).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _remembered(notes: Path, url: str) -> _Memory | None:
    """What is known of the kept data; None when it came from elsewhere, or the notes are broken."""
    try:
        memory = _Memory(**json.loads(notes.read_text("utf-8")))
        datetime.fromisoformat(memory.made)
    except (OSError, ValueError, TypeError):
        return None
    return memory if memory.url == url else None


def _in_words(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
