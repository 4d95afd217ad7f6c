"""A small stand-in for the daemon, for the tests of leadctl. It answers with the shapes of daemon/API.md and can be told to break off,
refuse or be late.

LEADCTL names the program to test.
"""

import http.server
import json
import os
import socketserver
import subprocess
import threading
import unicodedata
from urllib.parse import parse_qs, urlsplit

import pytest

LEADCTL = os.environ["LEADCTL"]
MIB = 1 << 20


# --- the stand-in ---

class Cut(Exception):
    """Ends the connection without (the rest of) an answer."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stream(self, kind, pieces, whole=True):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces:
            self.chunk(piece)
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def answer(self, status, body=None, kind="application/json"):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def problem(self, status, code, detail, **more):
        self.answer(status, {"type": "about:blank", "title": "t", "status": status, "code": code,
                             "detail": detail, **more}, "application/problem+json")

    def handle_any(self):
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        url = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(url.query).items()}
        self.server.fake.requests.append((self.command, self.path, dict(self.headers), self.body))
        route = self.server.fake.routes.get((self.command, url.path))
        try:
            if route is None:
                self.problem(404, "not-found", "there is nothing at this path")
            elif callable(route):
                route(self)
            else:
                self.answer(200, route)
        except (Cut, BrokenPipeError, ConnectionError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = handle_any


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 32


class Fake:
    def __init__(self, path):
        self.path = path
        self.routes = {}
        self.requests = []
        self.start()

    def start(self):
        self.server = Server(self.path, Handler)
        self.server.fake = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)

    def seen(self, method, path):
        return [r for r in self.requests if r[0] == method and urlsplit(r[1]).path == path]


@pytest.fixture
def fake(tmp_path):
    f = Fake(str(tmp_path / "sock"))
    yield f
    f.stop()


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LEADD_SOCKET", "TERM")}
    env.update({"TZ": "Europe/Berlin", "LC_ALL": "C.UTF-8", "TERM": "xterm", **more})
    return env


def ctl(fake, *args, data=None, **env):
    socket = ["--socket", fake.path] if fake else []
    return subprocess.run([LEADCTL, *socket, *args], input=data, capture_output=True, timeout=60,
                          env=environment(**env))


def lines(r):
    return r.stdout.decode().splitlines()


def said(r):
    return r.stderr.decode()


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


# --- shapes of API.md ---

def stage(name, **more):
    return {"stage": name, "kind": "call", "waiting": 12, "in_flight": 8, "retrying": 1, "held": 0, "ok": 480,
            "empty": 0, "rejected": 12, "failed": 0, "calls": 500, "settled_micro": 4000000, **more}


def run(number=17, state="running", **more):
    return {"run": number, "campaign": "demo", "pipeline": "cold-email", "state": state, "source": "people-1000.csv",
            "created": "2026-11-22T01:02:03.004Z", "started": "2026-11-22T01:02:03.004Z",
            "ended": None if state == "running" else "2026-11-22T02:00:00.000Z", "priority": 1, "share": 1,
            "budget_micro": 50000000, "by": None, "total": 1000, "imported": 1000, "importing": False,
            "outcomes": {"ready": 0, "delivered": 0, "confirmed": 512, "rejected": 281, "suppressed": 0,
                         "duplicate": 6, "failed": 0, "parked": 0, "recalled": 0},
            "open": 201, "settled_micro": 6400000, "reserved_micro": 64000, "in_doubt_micro": 8000,
            "currency": "USD", "waiting_for": "verify: zerobounce window 60/3s", "eta": None, "results": None,
            "stages": [stage("verify"), stage("copy", waiting=3, ok=100, rejected=0)], **more}


LEAD = {"run": 17, "lead": 4711, "row": 4712, "stage": "verify", "status": "waiting", "outcome": None, "reason": None,
        "spent_micro": 8000, "due": None, "call": None,
        "fields": {"email": "zoë@example.com", "research": None, "copy": "Hello Zoë,\nhow are you?", "score": 3},
        "timeline": [{"at": "2026-11-22T01:10:00.000Z", "stage": "verify", "step": 0, "outcome": "ok", "reason": None,
                      "service": "zerobounce", "call": "0192f3", "price_micro": 8000, "ms": 412,
                      "fields": {"verify_status": "valid"}}]}

SERVICE = {"service": "zerobounce", "base": "https://api.example", "generation": 12, "paused": False, "in_flight": 3,
           "concurrency": 64,
           "keys": [{"key": "main", "state": "ready", "cause": None, "why": None, "since": None, "until": None,
                     "breaker": {"state": "half-open", "failures": 5, "until": None}}],
           "limits": [{"limit": "1/3s", "scope": "key", "key": "main",
                       "windows": [{"window": "1/3s", "max": 1, "used": 1, "remaining": 0, "free_in_ms": 1200}]}],
           "waiting": 212, "calls": {"ok": 480, "empty": 2, "throttle": 3, "transient": 1}, "success": 0.983,
           "latency_ms": {"p50": 210, "p95": 600}, "settled_micro": 3840000, "next": "2026-11-22T01:10:00.000Z",
           "binding": "window 1/3s"}

CALL = {"call": "0192f3aa00000001", "service": "zerobounce", "endpoint": "validate", "key": "main", "state": "settled",
        "outcome": "ok", "reason": None, "reserved_micro": 8000, "settled_micro": 8000,
        "granted": "2026-11-22T01:10:00.000Z", "sent": "2026-11-22T01:10:00.100Z",
        "answered": "2026-11-22T01:10:01.350Z", "http_status": 200,
        "parts": [{"run": 17, "lead": 4711, "stage": "verify", "reserved_micro": 8000, "settled_micro": 8000}]}

STATUS = {"version": "0.1.0", "pid": 77, "started": "2026-11-22T01:00:00.000Z", "now": "2026-11-22T03:05:00.000Z",
          "generation": 12, "store": {"bytes": 12900000, "map_bytes": 1073741824, "used_percent": 1.2},
          "in_flight": 64, "turns": 90210, "commit_ms": {"p50": 0.4, "p99": 13.234889800848441},
          "turn_ms": {"p50": 0.1, "p999": 4.2, "max": 9}, "runs": {"running": 1, "paused": 2, "done": 12},
          "taking_work": False, "why_not": "the store is full",
          "services": [{"service": "zerobounce", "state": "open", "in_flight": 3, "waiting": 212}]}
