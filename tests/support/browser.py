"""A Chromium without a window, driven through its own debugging port: what a page shows once it has drawn."""
import base64
import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

CHROMIUM = shutil.which("chromium")
DRAWN_S = 120
LOG_BYTES = 1 << 20  # of its log that are looked at


class Page:
    """A tab of a Chromium: commands of its debugging protocol, over a WebSocket (RFC 6455)."""

    def __init__(self, port):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new", method="PUT")
        with urllib.request.urlopen(request) as answer:
            path = json.load(answer)["webSocketDebuggerUrl"].split(str(port), 1)[1]
        self.socket = socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                            "Sec-WebSocket-Version: 13\r\n\r\n".encode())
        self.input = self.socket.makefile("rb")
        while self.input.readline().strip():
            pass
        self.count = 0

    def close(self):
        self.input.close()
        self.socket.close()

    def call(self, method, **parameters):
        self.count += 1
        text = json.dumps({"id": self.count, "method": method, "params": parameters}).encode()
        self.socket.sendall(b"\x81\xfe" + struct.pack(">H", len(text)) + bytes(4) + text)  # the mask is zero
        while True:
            size = self.input.read(2)[1]
            if size >= 126:
                layout = ">H" if size == 126 else ">Q"
                size = struct.unpack(layout, self.input.read(struct.calcsize(layout)))[0]
            message = json.loads(self.input.read(size))
            if message.get("id") == self.count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def await_true(self, script):
        deadline = time.monotonic() + DRAWN_S
        while not self.evaluate(script):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never true: {script}")
            time.sleep(0.05)

    def resize(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=False)

    def theme(self, name):
        """light or dark"""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def press(self, key, text=""):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text or (key if len(key) == 1 else ""))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text):
        for character in text:
            self.press(character)

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x, y):
        self.point(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, **clip):
        """PNG of all, or of x, y, width and height."""
        area = {"clip": {**clip, "scale": 1}} if clip else {}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **area)["data"])


def await_port(process, log):
    """Where the browser listens, as it says."""
    while True:
        has_ended = process.poll() is not None
        text = os.pread(log.fileno(), LOG_BYTES, 0).decode(errors="replace")
        if found := re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)", text):
            return int(found.group(1))
        if has_ended:
            raise RuntimeError(f"the browser has ended:\n{text}")
        time.sleep(0.02)


@contextlib.contextmanager
def browser(folder, width=1280, height=800):
    """A page of a browser that keeps its things in the folder."""
    with tempfile.TemporaryFile() as log:  # not a pipe, which might become full
        process = subprocess.Popen([CHROMIUM or "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                                    "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={folder}",
                                    f"--window-size={width},{height}"], stderr=log)
        try:
            with contextlib.closing(Page(await_port(process, log))) as page:
                yield page
        finally:
            process.terminate()
            process.wait()
