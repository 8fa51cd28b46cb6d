"""A training in a browser tab: a page that gets new numbers once a second."""

import atexit
import json
import os
import socket
import sys
import warnings
from base64 import b64encode
from collections.abc import Iterator
from threading import Event, Thread, current_thread
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tinygrad_edu.train.history import History
from tinygrad_edu.train.live import Live
from tinygrad_edu.viz.curves import Groups, panels_of, plane_of, status_of
from tinygrad_edu.viz.pages.player import Page, assembled, assets

EVERY = 1.0  # seconds between new numbers
LAST = 2.0  # seconds that an open page has to receive the last numbers
NO_ICON = '<link rel="icon" href="data:,">\n'  # else a browser asks the server for one


def watch(history: History, *, browser: bool = True) -> "Watch":
    """A page that shows a training while it runs: curves, gradient norms, a decision boundary.

        history = train.History()
        with viz.watch(history):
            train.fit(..., history=history)

    history  what `fit` writes to; it may have epochs already, and serve several calls of `fit`
    browser  open the page in the browser; else open its `url` yourself

    A server on this computer, which only this computer can reach, serves the page and its numbers.
    It runs to the end of the `with` block, to `close()`, or to the end of the program.
    Raises TypeError for another history.
    """
    if not isinstance(history, History):
        raise TypeError(f"history must be a train.History, not a {type(history).__name__}")
    if history.live is None:
        history.live = Live()
    found = Watch(history)
    if browser:
        import webbrowser

        webbrowser.open(found.url)
    return found


class Watch:
    """The server of a page that shows `history`, at the address `url`."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.closing = Event()
        self.streams: set[Thread] = set()  # one for each page that is open
        self.server = server_of(self)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = Thread(target=self.serve, daemon=True)
        self.thread.start()
        atexit.register(self.close)

    def serve(self) -> None:
        """Accept requests until the page is closed, without the polling of `serve_forever`."""
        while not self.closing.is_set():
            self.server.handle_request()

    def page(self) -> Page:
        """The page with the current numbers; saved as a file, it keeps showing these."""
        return page_of_training(numbers_of(self.history))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page as it is now. Raises FileNotFoundError if the folder does not exist."""
        self.page().save(path)

    def close(self) -> None:
        """End the server. Open pages get the last numbers first."""
        if self.closing.is_set():
            return
        if self.history.live:
            self.history.live.finished = True
        self.closing.set()
        socket.create_connection(self.server.server_address).close()  # wakes the server
        self.thread.join()
        for stream in list(self.streams):
            stream.join(LAST)
        self.server.server_close()
        atexit.unregister(self.close)

    def changes(self) -> Iterator[str]:
        """The numbers as JSON: the current ones, then new ones every second, then the last ones.

        Each open page runs this in its own thread. That keeps the work small: only new numbers are
        added to the curves of the page, and arrays are encoded as their bytes.
        """
        groups: dict[Any, Groups] = {}
        sent, last = "", False
        self.streams.add(current_thread())
        try:
            while True:
                numbers = {**numbers_of(self.history, groups), "last": last}
                text = json.dumps(numbers, allow_nan=False, separators=(",", ":"))
                if text != sent:
                    yield text
                if last:
                    return
                sent, last = text, self.closing.wait(EVERY)
        finally:
            self.streams.discard(current_thread())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def server_of(watched: Watch) -> Any:
    """A server that answers at two addresses: with the page, and with its numbers."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Print nothing about a closed page: the terminal belongs to the training."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server looks for
            if (self.headers["Host"] or "").partition(":")[0] not in ("127.0.0.1", "localhost"):
                self.send_error(403)  # a page elsewhere reached this server by another host name
                return
            try:
                if self.path == "/":
                    self.answer("text/html", iter([watched.page().html]))
                elif self.path == "/numbers":
                    lines = (f"data: {text}\n\n" for text in watched.changes())
                    self.answer("text/event-stream", lines)
                else:
                    self.send_error(404)
            except ConnectionError:
                raise  # the page was closed
            except Exception as error:
                warnings.warn(f"the page got no numbers: {error!r}", RuntimeWarning, stacklevel=2)

        def answer(self, kind: str, texts: Iterator[str]) -> None:
            """Send each text as soon as it is there; the last one ends the connection."""
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            for text in texts:
                self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            """Print nothing about requests either."""

    return Server(("127.0.0.1", 0), Handler)


def numbers_of(history: History, groups: dict[Any, Groups] | None = None) -> dict[str, Any]:
    """All that the page shows, as plain data; groups as in `panels_of`."""
    panels = [panel._asdict() for panel in panels_of(history, groups)]
    for panel in panels:
        panel["curves"] = [
            {"name": curve.name, "x": packed(curve.x), "y": packed(curve.y)}
            for curve in panel["curves"]
        ]
    plane = plane_of(history)
    if plane is not None:
        plane |= {key: packed(plane[key]) for key in ("x", "y", "cells")}
    return {"title": "Training", "status": status_of(history), "panels": panels, "plane": plane}


def packed(numbers: npt.ArrayLike) -> str:
    """The bytes of doubles in base64: digits would take a hundred times as long to write."""
    return b64encode(np.asarray(numbers, "<f8").tobytes()).decode()


def page_of_training(data: dict[str, Any]) -> Page:
    """The page with these numbers in it."""
    style, script = assets("css", "watch"), assets("js", "dom", "watch")
    allow = "connect-src 'self'; img-src data:; "
    return assembled("watch", data, style, script, allow=allow, head=NO_ICON)
