"""Debian's headless Chromium, spoken to through its debugging pipe, without a network."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe",
)  # fmt: skip


class Tab:
    """One page of the browser.

    Attributes:
        errors: What the page has written to its console as an error, or thrown.
    """

    def __init__(self, to_browser: Any, from_browser: Any) -> None:
        self._to, self._from, self._number, self._session = to_browser, from_browser, 0, ""
        self._buffer = b""
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Answer of the browser to a command of its debugging protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while (answer := self._read()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    def open(self, page: Path, width: int, height: int = 900, **features: str) -> None:
        """Load a file at a width of the window; ``features`` are media features or ``media``."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)  # fmt: skip
        media = features.pop("media", "")
        chosen = [{"name": name.replace("_", "-"), "value": v} for name, v in features.items()]
        self.call("Emulation.setEmulatedMedia", media=media, features=chosen)
        self.call("Page.navigate", url=page.resolve().as_uri())
        while (event := self._read()).get("method") != "Page.loadEventFired":
            self._note(event)

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, whole: bool = False) -> str:
        """The visible part, or the whole page, as a base64 PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return str(found["data"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = self._from.read1(2**20)
            assert part, "the browser has ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(str(params["args"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(str(params["entry"]["text"]))


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A browser with one tab; ``profile`` is an empty folder."""
    assert CHROMIUM is not None
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()

    # Chromium reads commands from descriptor 3 and answers to 4; bash puts them there, from
    # descriptors of any number, which other shells cannot
    command = ["bash", "-c", f'exec "$0" "$@" 3<&{in_read} 4>&{out_write}', CHROMIUM]
    process = subprocess.Popen(
        [*command, *OPTIONS, f"--user-data-dir={profile}"], pass_fds=(in_read, out_write),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(in_read)
    os.close(out_write)
    try:
        with os.fdopen(in_write, "wb") as to_browser, os.fdopen(out_read, "rb") as from_browser:
            yield Tab(to_browser, from_browser)
    finally:
        process.kill()
        process.wait()
