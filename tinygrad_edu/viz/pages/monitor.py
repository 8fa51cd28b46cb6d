"""A training in a browser tab: a page that asks for new numbers once a second."""

import atexit
import json
import os
import sys
import time
import warnings
from threading import Thread
from typing import Any, Self

from tinygrad_edu.train.history import History
from tinygrad_edu.train.live import Live
from tinygrad_edu.viz.curves import panels_of, plane_of, status_of
from tinygrad_edu.viz.graph.data import strict
from tinygrad_edu.viz.pages.player import Page, assembled, assets

OPEN = 3.0  # seconds since a page asked, in which it counts as open
LAST = 2.0  # seconds that an open page has to fetch the last numbers
NO_ICON = '<link rel="icon" href="data:,">\n'  # else a browser asks the server for one


def watch(history: History, *, browser: bool = True) -> "Watch":
    """A page that shows a training while it runs: curves, gradient norms, a decision boundary.

        history = train.History()
        with viz.watch(history):
            train.fit(..., history=history)

    history  what `fit` writes to; it may have epochs already, and be trained more than once
    browser  open the page in the browser; else open its `url` yourself

    A server on this computer, which only this computer can reach, gives the page and its numbers.
    It runs to the end of the `with` block, to `close()`, or to the end of the program.
    """
    if not isinstance(history, History):
        raise TypeError(f"history must be a train.History, and it is a {type(history).__name__}")
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
        self.asked = 0.0  # when a page asked for numbers
        self.closing = False
        self.gave_last = False  # whether it got those of the end
        self.server = server_of(self)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = Thread(target=self.server.serve_forever, args=(0.1,), daemon=True)
        self.thread.start()
        atexit.register(self.close)

    def page(self) -> Page:
        """The page with the numbers of now; as a file it shows these."""
        return page_of_training(numbers_of(self.history))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page as it is now. Raises FileNotFoundError for a folder that is not there."""
        self.page().save(path)

    def close(self) -> None:
        """End the server; a page that is open gets the last numbers before."""
        if not self.thread.is_alive():
            return
        if self.history.live:
            self.history.live.finished = True
        self.closing = True
        end = time.monotonic() + LAST
        while time.monotonic() < end and self.is_open() and not self.gave_last:
            time.sleep(0.02)
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        atexit.unregister(self.close)

    def is_open(self) -> bool:
        """Whether a page has asked for numbers of late."""
        return self.asked > 0 and time.monotonic() - self.asked < OPEN

    def numbers(self) -> bytes:
        """What a page asks for, as JSON."""
        last = self.closing  # before they are taken
        numbers = {**numbers_of(self.history), "last": last}
        self.asked = time.monotonic()
        self.gave_last = last
        return json.dumps(numbers, allow_nan=False, separators=(",", ":")).encode()

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
            """Say nothing of a page that was closed: the terminal belongs to the training."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server looks for
            if (self.headers["Host"] or "").partition(":")[0] not in ("127.0.0.1", "localhost"):
                self.send_error(403)  # another name for this computer, from a page elsewhere
                return
            try:
                if self.path == "/":
                    self.answer("text/html", watched.page().html.encode())
                elif self.path == "/numbers":
                    self.answer("application/json", watched.numbers())
                else:
                    self.send_error(404)
            except ConnectionError:
                raise  # the page was closed
            except Exception as error:
                warnings.warn(f"the page got no numbers: {error!r}", RuntimeWarning, stacklevel=2)
                self.send_error(500)

        def answer(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing of requests either."""

    return Server(("127.0.0.1", 0), Handler)


def numbers_of(history: History) -> dict[str, Any]:
    """All that the page shows, as plain data with as many digits as can be seen."""
    panels = [panel._asdict() for panel in panels_of(history)]
    for panel in panels:
        panel["curves"] = [
            {"name": curve.name, "x": curve.x, "y": visible(curve.y)} for curve in panel["curves"]
        ]
    plane = plane_of(history)
    if plane is not None:
        plane["x"] = [visible(point) for point in plane["x"]]
        plane["cells"] = [visible(row) for row in plane["cells"]]
    return strict(
        {
            "title": "A training",
            "status": status_of(history),
            "panels": panels,
            "plane": plane,
        }
    )


def visible(numbers: list[Any]) -> list[Any]:
    """With four digits."""
    return [float(f"{x:.4g}") for x in numbers]


def page_of_training(data: dict[str, Any]) -> Page:
    """The page with these numbers in it."""
    style, script = assets("css", "watch"), assets("js", "dom", "watch")
    allow = "connect-src 'self'; img-src data:; "
    return assembled("watch", data, style, script, allow=allow, head=NO_ICON)
