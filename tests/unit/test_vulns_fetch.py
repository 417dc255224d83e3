"""Fetching, against a real server on this machine: what is not whole takes nobody's place."""

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.errors import Incomplete
from orchestrator.vulnerabilities.fetch import fetch, read_file

NOW = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
MADE = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
HEADERS = {"ETag": '"one"', "Last-Modified": "Tue, 24 Nov 2026 18:00:00 GMT"}
BODY = b'{"whole": 1}'

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers every request as it was last told to; remembers what it was asked."""

    def __init__(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append({k.lower(): v for k, v in self.headers.items()})
                self.close_connection = True
                server.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.asked: list[dict[str, str]] = []
        self.answer: Answer = reply(BODY)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/data/json"


def reply(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in (HEADERS | {k.replace("_", "-"): v for k, v in headers.items()}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def not_modified(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(304)
    handler.end_headers()


def chunks_without_an_end(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"c\r\n" + BODY + b"\r\n")


def silence(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        time.sleep(0.1)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def read(text: str) -> str:
    """Stands for the reader of advisories: takes what is whole."""
    if not text.startswith('{"whole"'):
        raise Incomplete("this is no data", next_step="fetch it again")
    return text


def got(server: Server, tmp_path: Path, now: datetime = NOW) -> tuple[str, datetime, str]:
    content, origin = fetch(server.url, tmp_path, read, now=now, silence=0.5, patience=1.0)
    return content, origin.made, origin.trouble


def test_what_was_fetched_is_as_old_as_the_server_says(server: Server, tmp_path: Path) -> None:
    assert got(server, tmp_path) == (BODY.decode(), MADE, "")
    assert "if-none-match" not in server.asked[0]
    assert server.asked[0]["accept-encoding"] == "gzip"
    assert (tmp_path / "tracker.json").read_bytes() == BODY


def test_packed_data_is_unpacked(server: Server, tmp_path: Path) -> None:
    server.answer = reply(gzip.compress(BODY), Content_Encoding="gzip")
    assert got(server, tmp_path)[0] == BODY.decode()


def test_what_has_not_changed_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    got(server, tmp_path)
    server.answer = not_modified
    assert got(server, tmp_path, NOW + timedelta(days=1)) == (BODY.decode(), MADE, "")
    assert server.asked[1]["if-none-match"] == '"one"'
    assert server.asked[1]["if-modified-since"] == HEADERS["Last-Modified"]


def test_without_a_date_it_is_as_old_as_its_last_confirmation(
    server: Server, tmp_path: Path
) -> None:
    server.answer = reply(BODY, Last_Modified="no date")
    assert got(server, tmp_path)[1] == NOW
    server.answer = reply(BODY, Last_Modified="")
    got(server, tmp_path)
    server.answer = not_modified
    later = NOW + timedelta(days=1)
    assert got(server, tmp_path, later)[1] == later
    server.answer = reply(b"", 500)
    assert got(server, tmp_path, later + timedelta(days=1))[1] == later


def test_a_date_to_come_makes_nothing_younger_than_now(server: Server, tmp_path: Path) -> None:
    server.answer = reply(BODY, Last_Modified="Fri, 01 Jan 2100 00:00:00 GMT")
    assert got(server, tmp_path)[1] == NOW


FAULTS: dict[str, tuple[Answer, str]] = {
    "it is not there": (reply(b"", 404), "404"),
    "the server is broken": (reply(b"", 503), "503"),
    "the download was cut": (reply(BODY, length=len(BODY) + 10), "cut after"),
    "the packed download was cut": (
        reply(gzip.compress(BODY)[:-9], Content_Encoding="gzip"), "cut after"
    ),
    "it says to be packed and is not": (reply(BODY, Content_Encoding="gzip"), "header"),
    "the chunks have no end": (chunks_without_an_end, "IncompleteRead"),
    "it is garbage": (reply(b"<html>"), "no data"),
    "it is no text": (reply(b'{"whole"\xff'), "utf-8"),
    "it is silent": (silence, "timed out"),
    "it takes for ever": (trickle, "too long"),
    "it leads elsewhere": (
        reply(b"", 302, Location="http://127.0.0.1:1/"), "refused"
    ),
    "it was never asked for": (not_modified, "304"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_keeps_what_was_there_and_says_so(
    server: Server, tmp_path: Path, name: str
) -> None:
    answer, says = FAULTS[name]
    server.answer = answer
    with pytest.raises(Incomplete, match=says) as caught:
        got(server, tmp_path)
    assert "--data" in str(caught.value.next_step)
    assert list(tmp_path.iterdir()) == []
    if answer is not_modified:
        return
    server.answer = reply(BODY)
    got(server, tmp_path)
    server.answer = answer
    content, made, trouble = got(server, tmp_path, NOW + timedelta(days=3))
    assert (content, made) == (BODY.decode(), MADE)
    assert says in trouble
    assert not (tmp_path / "tracker.json.new").exists()


def test_an_open_line_is_not_followed(tmp_path: Path) -> None:
    """Nothing listens there: what matters is that the address is refused before any data is."""
    with pytest.raises(Incomplete, match="refused"):
        fetch("http://127.0.0.1:1/", tmp_path, read, now=NOW)


def test_what_another_server_gave_is_not_taken_for_this_ones(
    server: Server, tmp_path: Path
) -> None:
    got(server, tmp_path)
    with pytest.raises(Incomplete):
        fetch(f"{server.url}?other", tmp_path / "none", read, now=NOW)
    server.answer = reply(b"", 404)
    with pytest.raises(Incomplete, match="404"):
        fetch(f"{server.url}?other", tmp_path, read, now=NOW)


def test_broken_notes_only_cost_a_download(server: Server, tmp_path: Path) -> None:
    got(server, tmp_path)
    (tmp_path / "tracker.notes.json").write_text("{")
    assert got(server, tmp_path) == (BODY.decode(), MADE, "")
    assert "if-none-match" not in server.asked[1]


def test_a_file_is_as_old_as_its_time_of_change(tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_bytes(BODY)
    os.utime(file, (MADE.timestamp(), MADE.timestamp()))
    content, origin = read_file(file, read)
    assert (content, origin.source, origin.made) == (BODY.decode(), str(file), MADE)
    file.write_text("garbage")
    with pytest.raises(Incomplete) as caught:
        read_file(file, read)
    assert caught.value.where == str(file)
