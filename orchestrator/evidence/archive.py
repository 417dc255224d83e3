"""The archive of a bundle: a tar of plain files, gzipped, the same bytes for the same content.

It is read without being unpacked. Whatever a tar could hold besides plain files of plain names
(links, `../`, a name twice, extended headers, a second archive behind the end) is a trick: refused
by name.
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from orchestrator.errors import PasInfraError

_BLOCK = tarfile.BLOCKSIZE
_LARGEST = 1 << 28  # bytes of one file; a record of ten thousand results has 4 MB
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.DIRTYPE: "a directory",
    tarfile.XHDTYPE: "an extended header",
    tarfile.XGLTYPE: "an extended header",
    tarfile.GNUTYPE_LONGNAME: "an extended header",
    tarfile.GNUTYPE_LONGLINK: "an extended header",
}


class Trick(Exception):
    """The archive holds what no bundle does; `name` is that of the member, "" for what has none."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(what)
        self.name = name
        self.what = what


def write(to: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """Write an archive of these files, in this order."""
    with gzip.GzipFile(fileobj=to, mode="wb", filename="", mtime=0, compresslevel=6) as packed:
        written = 0
        for name, content in members:
            packed.write(_header(name, len(content)))
            packed.write(content)
            packed.write(bytes(-len(content) % _BLOCK))
            written += _BLOCK + len(content) + -len(content) % _BLOCK
        packed.write(_end(written))


def read(file: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, in their order.

    Raises PasInfraError where there is none that can be read to its end, Trick for what `write`
    never writes.
    """
    try:
        with file.open("rb") as opened, gzip.GzipFile(fileobj=opened) as packed:
            yield from _members(packed)
    except EOFError as error:
        raise _unreadable(file, "it was cut off: its end is missing") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _unreadable(file, f"it is no sound gzip file: {error}") from error
    except tarfile.HeaderError as error:
        raise _unreadable(file, f"what is in it is no sound tar: {error}") from error
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error


def _members(packed: gzip.GzipFile) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    top = ""
    position = 0
    while (header := _exactly(packed, _BLOCK)) != bytes(_BLOCK):
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        name = info.name
        _refuse_trick(info)
        top = top or PurePosixPath(name).parts[0]
        if PurePosixPath(name).parts[0] != top:
            raise Trick(name, f"it does not lie below {top}/ as all others")
        if name in seen:
            raise Trick(
                name, "the name is there twice: some programs read the first, some the last"
            )
        seen.add(name)
        if header != _header(name, info.size):
            raise Trick(name, "its header is not as it was exported (owner, mode, time, padding)")
        content = _exactly(packed, info.size)
        if _exactly(packed, -info.size % _BLOCK).strip(b"\0"):
            raise Trick(name, "there is something behind its end")
        position += _BLOCK + info.size + -info.size % _BLOCK
        yield name, content
    end = _end(position)[_BLOCK:]
    # Not a byte more than it takes to tell: what follows may be without end.
    if packed.read(len(end) + 1) != end:
        raise Trick("", "there is something behind the end of the archive")


def _refuse_trick(info: tarfile.TarInfo) -> None:
    if info.type != tarfile.REGTYPE:
        kind = _KINDS.get(info.type, f"of the type {info.type!r}")
        target = f" to {info.linkname}" if info.linkname else ""
        raise Trick(info.name, f"it is {kind}{target}, and no plain file")
    if not _PLAIN.fullmatch(info.name):
        raise Trick(info.name, "its name could lead out of the bundle's directory")
    if not 0 <= info.size <= _LARGEST:
        raise Trick(info.name, f"it claims {info.size} bytes")


def _exactly(packed: gzip.GzipFile, size: int) -> bytes:
    content = packed.read(size)
    if len(content) != size:
        raise EOFError
    return content


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def _end(written: int) -> bytes:
    end = io.BytesIO()
    end.write(bytes(2 * _BLOCK))
    end.write(bytes(-(written + 2 * _BLOCK) % tarfile.RECORDSIZE))
    return end.getvalue()


def _unreadable(file: Path, why: str) -> PasInfraError:
    return PasInfraError(
        f"the bundle cannot be read: {why}",
        where=file,
        next_step="ask for the file again, and compare its SHA-256 with the sender's",
    )
