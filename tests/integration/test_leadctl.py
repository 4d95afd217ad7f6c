"""leadctl against a small stand-in for the daemon: output, exit codes, uploads, watching, exports.

The stand-in answers with the shapes of daemon/API.md and can be told to break off, refuse or be late.
LEADCTL names the program to test.
"""

import http.server
import json
import os
import pty
import re
import select
import signal
import socketserver
import subprocess
import threading
import time
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


# --- output ---

def test_status(fake):
    fake.routes["GET", "/v1/status"] = STATUS
    r = ctl(fake, "status")
    assert r.returncode == 0 and r.stderr == b""
    text = r.stdout.decode()
    assert "leadd 0.1.0" in text and "2 h 05 min" in text and "12.3 MiB of 1.0 GiB (1.20 %)" in text
    assert "half within 0.40 ms, 99 % within 13.23 ms" in text and "longest 9 ms" in text
    assert "no: the store is full" in text and "2026-11-22 02:00:00 +0100" in text
    assert re.search(r"zerobounce\s+open\s+3\s+212", text)
    r = ctl(fake, "status", "--json")
    assert json.loads(r.stdout) == STATUS and r.stdout.count(b"\n") > 10


def test_socket_from_environment(fake):
    fake.routes["GET", "/v1/status"] = STATUS
    assert ctl(None, "status", LEADD_SOCKET=fake.path).returncode == 0


def test_tables_align_by_what_is_shown(fake):
    runs = [run(9, campaign="frühling"), run(10, campaign="名前"), run(11, campaign="plain", source="é́tat.csv")]
    fake.routes["GET", "/v1/runs"] = {"items": runs, "next": None}
    r = ctl(fake, "run", "list")
    rows = lines(r)
    assert r.returncode == 0 and len(rows) == 4
    column = width(rows[0][:rows[0].index("STATE")])
    for row in rows[1:]:
        assert width(row[:row.index("running")]) == column
    assert rows[1].endswith("6.40 USD") and rows[0].endswith("SPENT")
    assert rows[1].split()[0] == "9" and rows[1].startswith("  9") and rows[2].startswith(" 10")
    assert "518" not in rows[1] and " 512 " in rows[1]


def test_data_cannot_drive_the_terminal(fake):
    fake.routes["GET", "/v1/runs"] = {"items": [run(campaign="a\x1b[31mb\nc", source="x\u202ey")], "next": None}
    r = ctl(fake, "run", "list")
    assert b"\x1b" not in r.stdout and "\u202e" not in r.stdout.decode() and len(lines(r)) == 2
    fake.routes["GET", "/v1/runs/17"] = lambda h: h.problem(404, "not-found", "no\x1b[2J run")
    assert "\x1b" not in said(ctl(fake, "run", "show", "17"))


def test_lists_are_paged(fake):
    def pages(h):
        start = int(h.query.get("cursor", "0"))
        n = min(int(h.query["limit"]), 3)
        items = [run(i) for i in range(start, start + n)]
        h.answer(200, {"items": items, "next": str(start + n) if start + n < 8 else None})

    fake.routes["GET", "/v1/runs"] = pages
    r = ctl(fake, "run", "list", "--limit", "5")
    assert len(lines(r)) == 7 and lines(r)[-1] == "there are more: --limit N or --all"
    r = ctl(fake, "run", "list", "--limit=4", "--json")
    assert [o["run"] for o in json.loads(r.stdout)["items"]] == [0, 1, 2, 3]
    assert json.loads(r.stdout)["next"] == "4"
    assert ctl(fake, "run", "list", "-n", "2", "--json").returncode == 0
    r = ctl(fake, "run", "list", "--all")
    assert len(lines(r)) == 10
    fake.routes["GET", "/v1/runs"] = {"items": [], "next": None}
    assert lines(ctl(fake, "run", "list")) == ["no runs yet"]


def test_run_show(fake):
    fake.routes["GET", "/v1/runs/17"] = run()
    text = ctl(fake, "run", "show", "17").stdout.decode()
    for piece in ("run 17 running", "2026-11-22 02:02:03 +0100", "512 confirmed, 281 rejected, 6 duplicate",
                  "6.40 USD settled, 0.064 USD reserved, 0.008 USD in doubt", "50.00 USD",
                  "verify: zerobounce window 60/3s"):
        assert piece in text or piece.replace("0.064", "0.0640").replace("0.008", "0.0080") in text
    assert re.search(r"verify\s+call\s+12\s+8\s+1\s+0\s+480\s+0\s+12\s+0\s+0\s+500\s+4\.00 USD", text)


def test_run_changes(fake):
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "draining")):
        fake.routes["POST", "/v1/runs/17/" + verb] = run(state=state)
        r = ctl(fake, "run", verb, "17")
        assert r.returncode == 0 and lines(r) == ["run 17 " + state]
    fake.routes["POST", "/v1/runs/17/retry"] = {"retried": 4}
    assert lines(ctl(fake, "run", "retry", "17", "--outcome", "failed", "--lead", "3")) == ["run 17: 4 leads put back"]
    assert json.loads(fake.requests[-1][3]) == {"outcome": ["failed"], "lead": 3}
    ctl(fake, "run", "retry", "17")
    assert json.loads(fake.requests[-1][3]) == {"outcome": ["failed", "parked"]}


def test_leads(fake):
    fake.routes["GET", "/v1/runs/17/leads"] = {"items": [LEAD], "next": None}
    r = ctl(fake, "lead", "list", "17", "--outcome", "parked", "--stage", "copy & paste")
    assert fake.requests[-1][1].startswith("/v1/runs/17/leads?outcome=parked&stage=copy%20%26%20paste&limit=50")
    assert re.search(r"^17/4711\s+4712\s+verify\s+waiting\s+-\s+-\s+0\.00\d+\s+-\s.*zoë@example\.com$", lines(r)[1])
    fake.routes["GET", "/v1/leads/17/4711"] = LEAD
    text = ctl(fake, "lead", "show", "17/4711").stdout.decode()
    assert "lead 17/4711" in text and "row 4712" not in text and "4712 of the file" in text
    assert "research" not in text
    assert re.search(r"^copy +Hello Zoë,\n {18}how are you\?$", text, re.M)
    assert re.search(r"zerobounce\s+0192f3\s+0\.00\d+\s+412 ms\s+verify_status=valid", text)


def test_why(fake):
    fake.routes["GET", "/v1/why/lead/17/4711"] = {
        "subject": "lead 17/4711", "state": "waiting",
        "binding": {"condition": "window", "text": "zerobounce window 1 in 3 s", "earliest": "2026-11-22T01:10:00.000Z"},
        "position": 212, "earliest": "2026-11-22T01:20:00.000Z",
        "conditions": [{"condition": "breaker", "ok": True, "text": "closed"},
                       {"condition": "window", "ok": False, "text": "1 of 1 used"}]}
    text = ctl(fake, "why", "lead", "17/4711").stdout.decode()
    assert "lead 17/4711: waiting" in text and "zerobounce window 1 in 3 s" in text and "212" in text
    assert re.search(r"window +no +1 of 1 used", text) and "02:20:00 +0100 at the earliest" in text
    fake.routes["GET", "/v1/why/run/17"] = {
        "subject": "run 17", "state": "running", "binding": None,
        "waiting": [{"count": 871, "condition": "window", "text": "zerobounce", "earliest": None}]}
    assert re.search(r"871 +window +- +zerobounce", ctl(fake, "why", "run", "17").stdout.decode())
    fake.routes["GET", "/v1/why/service/a%2Fb"] = {"subject": "service a/b", "state": "ok", "binding": None}
    assert ctl(fake, "why", "service", "a/b").returncode == 0


def test_services(fake):
    fake.routes["GET", "/v1/services"] = {"items": [SERVICE], "next": None}
    row = lines(ctl(fake, "service", "list"))[1]
    assert re.search(r"zerobounce +half-open +3 +212 +482 +4 +98\.3 % +210 ms +600 ms +3\.84 +window 1/3s", row)
    fake.routes["GET", "/v1/services/zerobounce"] = SERVICE
    text = ctl(fake, "service", "show", "zerobounce").stdout.decode()
    assert "480 ok, 2 empty, 3 throttle, 1 transient; success 98.3 %" in text
    assert re.search(r"1/3s +key +main +1/3s +1 +1 +0 +1\.2 s", text) and "half-open" in text
    for verb in ("pause", "resume", "reset"):
        fake.routes["POST", "/v1/services/zerobounce/" + verb] = {**SERVICE, "paused": verb == "pause"}
        assert ctl(fake, "service", verb, "zerobounce").returncode == 0
    fake.routes["PUT", "/v1/services/zerobounce/limit"] = SERVICE
    assert lines(ctl(fake, "service", "limit", "zerobounce", "40/60s")) == ["zerobounce: 40/60s until the next reload"]
    assert json.loads(fake.requests[-1][3]) == {"max": "40/60s"}
    ctl(fake, "service", "limit", "zerobounce", "40/60s", "--of", "10/s, 50/60s")
    assert json.loads(fake.requests[-1][3]) == {"limit": "10/s, 50/60s", "max": "40/60s"}


def test_ledger(fake):
    fake.routes["GET", "/v1/ledger"] = {"items": [CALL], "next": None}
    fake.routes["GET", "/v1/ledger/summary"] = {
        "settled_micro": 48130000, "reserved_micro": 210000, "in_doubt_micro": 100000, "refunded_micro": 1900000,
        "calls": {"settled": 1902, "reserved": 5, "sent": 2, "refunded": 38, "in-doubt": 1},
        "services": [{"service": "zerobounce", "calls": {"settled": 1902, "reserved": 5, "refunded": 38},
                      "settled_micro": 48130000, "in_doubt_micro": 8000}]}
    r = ctl(fake, "ledger", "list", "--run", "17", "--state", "in-doubt", "--service", "zerobounce")
    assert fake.requests[-1][1] == "/v1/ledger?run=17&state=in-doubt&service=zerobounce&limit=50"
    assert re.search(r"0192f3aa00000001 .* settled +ok +200 +1\.\d+ s +0\.00\d+ +0\.00\d+ +17/4711", lines(r)[1])
    text = ctl(fake, "ledger", "run", "17").stdout.decode()
    assert "48.13 (1902 calls)" in text and "0.21 (7)" in text and "1.90 (38)" in text and "0192f3aa" in text
    summary = ctl(fake, "ledger", "summary").stdout.decode()
    assert re.search(r"zerobounce +1945 +48\.13 +0\.0080", summary), summary


def test_audit_and_doctor_tell_by_exit_code(fake):
    one = {"service": "zerobounce", "key": "main", "limit": "requests", "window": "50/60s", "max": 50, "worst": 50,
           "at": "2026-11-22T01:10:00.000Z", "ok": True, "calls": 900}
    fake.routes["GET", "/v1/limits/audit"] = {"items": [one]}
    r = ctl(fake, "limits", "audit", "--since", "30min")
    assert r.returncode == 0 and fake.requests[-1][1] == "/v1/limits/audit?since_ms=1800000"
    fake.routes["GET", "/v1/limits/audit"] = {"items": [one, {**one, "worst": 51, "ok": False}]}
    r = ctl(fake, "limits", "audit")
    assert r.returncode == 7 and "exceeded" in r.stdout.decode()
    assert fake.requests[-1][1] == "/v1/limits/audit?since_ms=86400000"
    assert ctl(fake, "limits", "audit", "--json").returncode == 7
    fake.routes["POST", "/v1/doctor"] = {"items": [{"check": "clock", "subject": "local", "ok": True, "detail": "fine"}]}
    assert ctl(fake, "doctor").returncode == 0
    fake.routes["POST", "/v1/doctor"] = {"items": [{"check": "key", "subject": "hubspot", "ok": False, "detail": "401"}]}
    r = ctl(fake, "doctor")
    assert r.returncode == 7 and re.search(r"key +hubspot +failed +401", r.stdout.decode())


def test_reload_and_backup(fake):
    def reload(h):
        applied = "check" not in h.query
        h.answer(200, {"generation": 13, "changes": ["service zerobounce: limit 1/3s -> 2/3s"], "applied": applied})

    fake.routes["POST", "/v1/reload"] = reload
    assert lines(ctl(fake, "reload", "--check")) == ["service zerobounce: limit 1/3s -> 2/3s",
                                                     "generation 13 would be good, 1 changes"]
    assert lines(ctl(fake, "reload"))[1] == "generation 13 is in force, 1 changes"
    fake.routes["POST", "/v1/reload"] = lambda h: h.problem(
        422, "bad-configuration", "the configuration is wrong", problems=["a.yaml:3: no such key", "b.yaml:9: x"])
    r = ctl(fake, "reload")
    assert r.returncode == 1 and "the configuration is wrong (bad-configuration)" in said(r)
    assert "a.yaml:3: no such key" in said(r) and "b.yaml:9: x" in said(r)
    fake.routes["POST", "/v1/backup"] = lambda h: h.answer(202, {"path": "/x/backups/leadd-1.mdb"})
    assert lines(ctl(fake, "backup")) == ["/x/backups/leadd-1.mdb"]


# --- refusals ---

@pytest.mark.parametrize("status,code", [(404, 4), (409, 5), (403, 1), (422, 1), (500, 1), (507, 1)])
def test_exit_codes(fake, status, code):
    fake.routes["POST", "/v1/runs/17/pause"] = lambda h: h.problem(status, "some-code", "run 17 is done")
    r = ctl(fake, "run", "pause", "17")
    assert r.returncode == code and r.stdout == b"" and said(r) == "leadctl: run 17 is done (some-code)\n"


def test_answers_that_are_none(fake):
    def page(h):
        h.send_response(400)
        h.send_header("Content-Length", "6")
        h.end_headers()
        h.wfile.write(b"<html>")

    def garbage(h):
        h.send_response(200)
        h.send_header("Content-Length", "6")
        h.end_headers()
        h.wfile.write(b"<html>")

    fake.routes["GET", "/v1/status"] = page
    r = ctl(fake, "status")
    assert r.returncode == 1 and "HTTP status 400" in said(r)
    fake.routes["GET", "/v1/status"] = garbage
    r = ctl(fake, "status")
    assert r.returncode == 1 and "cannot be read" in said(r)


def test_no_daemon(tmp_path):
    r = ctl(None, "--socket", str(tmp_path / "none"), "status")
    assert r.returncode == 3 and "No such file or directory" in said(r) and str(tmp_path / "none") in said(r)


def test_a_lost_answer_is_asked_for_again_under_the_same_key(fake):
    def flaky(h):
        if len(fake.seen("POST", "/v1/runs/17/pause")) < 3:
            raise Cut
        h.answer(200, run(state="paused"))

    fake.routes["POST", "/v1/runs/17/pause"] = flaky
    r = ctl(fake, "run", "pause", "17")
    assert r.returncode == 0 and lines(r) == ["run 17 paused"]
    keys = {h["Idempotency-Key"] for _, _, h, _ in fake.seen("POST", "/v1/runs/17/pause")}
    assert len(keys) == 1 and len(keys.pop()) > 20
    fake.requests.clear()

    def dead(h):
        raise Cut

    fake.routes["POST", "/v1/runs/17/pause"] = dead
    assert ctl(fake, "run", "pause", "17").returncode == 3


# --- the command line ---

def commands():
    text = ctl(None, "help").stdout.decode()
    part = text[text.index("\ncommands\n") + 1:text.index("\nglobal options\n")]
    return [re.match(r"  ([a-z]+(?: [a-z]+)?)(?= |$)", line).group(1) for line in part.splitlines()[1:] if line]


def test_every_command_has_help():
    assert len(commands()) > 30
    for name in commands():
        words = name.split()
        r = ctl(None, *words, "--help")
        assert r.returncode == 0 and r.stdout.startswith(b"usage: leadctl " + name.encode()) and r.stderr == b""
        assert ctl(None, "help", *words).stdout == r.stdout
    assert b"leadctl run COMMAND" in ctl(None, "run", "--help").stdout
    assert ctl(None, "run").returncode == 2 and ctl(None).returncode == 2
    assert re.match(rb"leadctl \d+\.\d+\.\d+\n$", ctl(None, "--version").stdout)


WRONG = [
    (["rum"], "did you mean `run`"),
    (["run", "lst"], "did you mean `run list`"),
    (["sevice", "list"], "did you mean `service`"),
    (["frobnicate"], "there is no command `frobnicate`"),
    (["run", "list", "--lmit", "3"], "did you mean --limit"),
    (["run", "list", "-z"], "there is no option -z"),
    (["run", "list", "--json=1"], "takes no value"),
    (["run", "list", "--limit"], "needs a value"),
    (["run", "list", "--limit", "0"], "nearest: 1"),
    (["run", "list", "--limit", "ten"], "no whole number"),
    (["run", "list", "17"], "one word too many"),
    (["run", "show"], "RUN is missing"),
    (["run", "show", "x17"], "a run is a number"),
    (["lead", "show", "17"], "RUN/NUMBER"),
    (["run", "start", "f.csv"], "--campaign NAME is missing"),
    (["run", "start", "f.csv", "-c", "x", "--budget", "12,50"], "nearest: 12.50"),
    (["run", "start", "f.csv", "-c", "x", "--budget", "$3"], "nearest: 3.00"),
    (["run", "start", "f.csv", "-c", "x", "--budget", "0"], "above zero"),
    (["run", "start", "f.csv", "-c", "x", "--budget", "1.2345678"], "nearest: 1.234567"),
    (["run", "start", "f.csv", "-c", "x", "--map", "emial=E-Mail"], "nearest: email=E-Mail"),
    (["run", "start", "f.csv", "-c", "x", "--map", "email"], "not FIELD=HEADER"),
    (["run", "start", "f.csv", "-c", "x", "--priority", "256"], "nearest: 255"),
    (["run", "start", "f.csv", "-c", "x", "--delimiter", "::"], "none of , ; | tab"),
    (["run", "export", "17", "--format", "csw"], "nearest: csv"),
    (["run", "retry", "17", "--outcome", "failed,praked"], "nearest: parked"),
    (["limits", "audit", "--since", "24"], "nearest: 24h"),
    (["service", "limit", "s", "40/60"], "nearest: 40/60s"),
    (["service", "limit", "s", "40 per 60s"], "nearest: 40/60s"),
    (["completion", "fish"], "nearest: bash"),
]


@pytest.mark.parametrize("args,text", WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_command_lines(fake, args, text):
    r = ctl(fake, *args)
    assert r.returncode == 2 and text in said(r) and r.stdout == b""
    assert fake.requests == []


def test_completion_script(tmp_path):
    script = tmp_path / "leadctl"
    script.write_bytes(ctl(None, "completion", "bash").stdout)
    (tmp_path / "people.csv").write_text("x")

    def complete(*words):
        code = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _leadctl; printf "%s\\n" "${COMPREPLY[@]}"')
        r = subprocess.run(["bash", "-c", code, str(script), "leadctl", *words], cwd=tmp_path, capture_output=True,
                           check=True)
        assert r.stderr == b""
        return r.stdout.decode().split()

    assert complete("r") == ["run", "receipt", "replay", "recall", "reload"]
    assert complete("run", "re") == ["resume", "retry", "rejects"]
    assert complete("run", "export", "17", "--fo") == ["--format"]
    assert complete("run", "export", "17", "--format", "") == ["csv", "jsonl", "xlsx"]
    assert complete("run", "start", "peo") == ["people.csv"]
    assert complete("--socket", "x", "why", "") [:3] == ["lead", "run", "service"]
    assert complete("status", "--n") == ["--no-color"]


def test_man_page_lists_every_command(tmp_path):
    (tmp_path / "in").write_text("head\n@COMMANDS@\nmiddle\n@OPTIONS@\ntail\n")
    r = ctl(None, "help", "--scdoc", str(tmp_path / "in"))
    text = r.stdout.decode()
    assert r.returncode == 0 and text.startswith("head\n") and text.endswith("tail\n")
    for name in commands():
        assert "*%s*" % name in text
    assert text.index("run start") < text.index("middle") < text.index("--socket")
    assert ctl(None, "help", "--scdoc", str(tmp_path / "none")).returncode == 2


# --- campaigns, deliveries ---

def test_campaigns(fake):
    schedule = {"at": "22:00 mon tue", "zone": "Europe/Berlin", "missed": "run-late", "within_s": 10800, "by": "07:00", "quantity": 50,
                "params": {"state": "CA"}, "next": "2026-11-30T21:00:00.000Z",
                "last": {"moment": "2026-11-24T21:00:00.000Z", "what": "started-late", "run": 17}}
    one = {"campaign": "pm", "pipeline": "property", "organisation": "north", "finds": True, "runs": 3, "at_work": 1, "schedule": schedule}
    fake.routes["GET", "/v1/campaigns"] = {"items": [one, {**one, "campaign": "demo", "schedule": None}], "next": None}
    fake.routes["GET", "/v1/campaigns/pm"] = one
    r = ctl(fake, "campaign", "list")
    assert re.search(r"^pm +property +north +3 +1 +22:00 mon tue +2026-11-30 22:00:00 \+0100 +started-late", r.stdout.decode(), re.M), r.stdout
    assert re.search(r"^demo +property +north +3 +1 +- +- +-$", r.stdout.decode(), re.M), r.stdout
    text = ctl(fake, "campaign", "show", "pm").stdout.decode()
    for part in ("22:00 mon tue (Europe/Berlin)", "finds its leads", "run-late, within 180 min", "run 17", '{"state":"CA"}'):
        assert part in text.replace('": "', '":"'), (part, text)


def test_verify(fake, tmp_path):
    found = [{"kind": "missing", "lead": 12, "who": None, "field": None, "id": None},
             {"kind": "foreign", "lead": None, "who": "s***@e***.com", "field": None, "id": "=1+1"},
             {"kind": "missing", "lead": 3, "who": None, "field": None, "id": None}]
    states = iter(["reading", "reading"])

    def verified(h):
        state = next(states, "done")
        h.answer(200, {"run": 17, "state": state, "why": None, "pushed": 500, "pages": 5, "seen": 499, "others": 2, "missing": 2, "doubled": 0,
                      "changed": 0, "foreign": 1, "repair": False, "repaired": 0, "clean": False, "items": found, "next": None})

    fake.routes["POST", "/v1/runs/17/verify"] = {"run": 17, "state": "clearing"}
    fake.routes["GET", "/v1/runs/17/verify"] = verified
    file = tmp_path / "found.csv"
    r = ctl(fake, "verify", "run", "17", "--csv", str(file))
    assert r.returncode == 7 and "2 missing, 0 doubled, 0 changed, 1 foreign" in r.stdout.decode(), r
    assert file.read_bytes() == (b"kind,lead,who,field,id\r\nforeign,,s***@e***.com,,\"'=1+1\"\r\nmissing,3,,,\r\nmissing,12,,,\r\n")
    assert ctl(fake, "verify", "run", "17", "--csv", str(tmp_path / "no" / "folder.csv")).returncode == 2


# --- uploads ---

class Uploads:
    """The upload routes; `fault` may break a part off: it is called with the offset before a part is taken."""

    def __init__(self, fake, fault=lambda h, offset: None):
        self.data = b""
        self.size = None
        self.sizes = []
        self.fault = fault
        fake.routes["POST", "/v1/uploads"] = self.post
        fake.routes["PUT", "/v1/uploads/9f01"] = self.put
        fake.routes["GET", "/v1/uploads/9f01"] = lambda h: h.answer(200, self.object())
        fake.routes["POST", "/v1/runs"] = lambda h: h.answer(201, run())

    def object(self):
        return {"upload": "9f01", "offset": len(self.data), "size": self.size}

    def post(self, h):
        body = json.loads(h.body)
        self.name, self.size = body["name"], body["size"]
        h.answer(201, {"upload": "9f01"})

    def put(self, h):
        offset = int(h.query["offset"])
        self.fault(h, offset)
        if offset > len(self.data):
            h.problem(409, "upload-gap", "a gap")
            return
        self.sizes.append(len(h.body))
        self.data = self.data[:offset] + h.body
        h.answer(200, self.object())


@pytest.fixture
def people(tmp_path):
    file = tmp_path / "people.csv"
    file.write_bytes(b"email\n" + os.urandom(5 * MIB // 2))
    return file


def test_run_start(fake, people):
    up = Uploads(fake)
    r = ctl(fake, "run", "start", str(people), "--campaign", "demo", "--map", "email=E-Mail", "--map", "title=Job",
            "--budget", "12.5", "--priority", "0", "--limit", "100", "--delimiter", "tab")
    assert r.returncode == 0 and lines(r) == ["run 17 running (demo, people-1000.csv)"] and said(r) == ""
    assert up.data == people.read_bytes() and up.sizes == [MIB, MIB, len(up.data) - 2 * MIB]
    assert up.name == "people.csv" and up.size == len(up.data)
    assert json.loads(fake.seen("POST", "/v1/runs")[0][3]) == {
        "campaign": "demo", "upload": "9f01", "source": "people.csv", "map": ["email=E-Mail", "title=Job"],
        "delimiter": "tab", "budget_micro": 12500000, "priority": 0, "limit": 100, "paused": False}
    r = ctl(fake, "run", "start", str(people), "-c", "demo", "--json")
    assert json.loads(r.stdout) == run()


def test_standard_input(fake, people):
    up = Uploads(fake)
    r = ctl(fake, "run", "start", "-", "-c", "demo", data=people.read_bytes())
    assert r.returncode == 0 and up.data == people.read_bytes() and up.size == len(up.data)
    assert up.name == "standard input"


def test_upload_goes_on_where_the_daemon_has_it(fake, people):
    def fault(h, offset):
        if len(fake.seen("PUT", "/v1/uploads/9f01")) in (2, 3):
            # half of the part reached the disk, the answer did not come
            up.data = up.data[:offset] + h.body[:MIB // 2]
            raise Cut

    up = Uploads(fake, fault)
    r = ctl(fake, "run", "start", str(people), "-c", "demo")
    assert r.returncode == 0 and up.data == people.read_bytes()
    assert len(fake.seen("GET", "/v1/uploads/9f01")) == 2


def test_upload_gap_is_closed(fake, people):
    def fault(h, offset):
        if len(fake.seen("PUT", "/v1/uploads/9f01")) == 3:
            up.data = up.data[:MIB]  # a restart forgot a part

    up = Uploads(fake, fault)
    r = ctl(fake, "run", "start", str(people), "-c", "demo")
    assert r.returncode == 0 and up.data == people.read_bytes() and said(r) == ""


def test_upload_refused(fake, people, tmp_path):
    def full(h):
        h.problem(507, "store-full", "no room")

    Uploads(fake)
    fake.routes["PUT", "/v1/uploads/9f01"] = full
    r = ctl(fake, "run", "start", str(people), "-c", "demo")
    assert r.returncode == 1 and fake.seen("POST", "/v1/runs") == []
    fake.routes["POST", "/v1/uploads"] = full
    r = ctl(fake, "run", "start", str(people), "-c", "demo")
    assert r.returncode == 1 and "no room (store-full)" in said(r)
    (tmp_path / "empty").write_text("")
    for name in ("empty", "none", "."):
        fake.requests.clear()
        assert ctl(fake, "run", "start", str(tmp_path / name), "-c", "demo").returncode == 2
        assert fake.requests == []


# --- watching ---

def event(name, value):
    return ("event: %s\ndata: %s\n\n" % (name, json.dumps(value))).encode()


def watched(fake, streams, final):
    """Each stream is a list of runs or byte pieces; the last one ends properly, the others are cut."""
    left = list(streams)
    fake.routes["GET", "/v1/runs/17"] = lambda h: h.answer(200, final if not left else run())

    def events(h):
        pieces = left.pop(0)
        ends = not left
        data = [event("run", p) if isinstance(p, dict) else p for p in pieces]
        h.stream("text/event-stream", data + ([event("end", final)] if ends else []), whole=ends)

    fake.routes["GET", "/v1/runs/17/events"] = events


def test_watch_until_the_end(fake):
    watched(fake, [[run(), b":\n\n", run(open=100)]], run(state="done", open=0))
    r = ctl(fake, "run", "watch", "17")
    out = r.stdout.decode()
    assert r.returncode == 0 and said(r) == "" and "\x1b" not in out
    first = out.splitlines()[0]
    assert re.match(r"\d\d:\d\d:\d\d  run 17 running  799 of 1000 done  6.40 USD of 50.00 USD \| verify 492/513", first)
    assert "zerobounce window 60/3s" in first and "12 waiting" in first and "8 in flight" in first
    assert "run 17 done" in out and re.search(r"verify +call +12", out)
    assert len([x for x in out.splitlines() if re.match(r"\d\d:", x)]) == 1  # one line per 5 seconds


def test_watch_connects_again(fake):
    split = event("run", run(open=150))
    watched(fake, [[run(), split[:40]], [split[:10], split[10:]], []], run(state="done", open=0))
    r = ctl(fake, "run", "watch", "17", "--json")
    seen = [json.loads(line) for line in lines(r)]
    assert r.returncode == 0 and 150 in [o["open"] for o in seen] and seen[-1]["state"] == "done"
    assert len(fake.seen("GET", "/v1/runs/17/events")) == 3


def test_watch_survives_a_restart_of_the_daemon(fake):
    watched(fake, [[run()], []], run(state="done", open=0))

    def events(h, original=fake.routes["GET", "/v1/runs/17/events"]):
        if len(fake.seen("GET", "/v1/runs/17/events")) == 1:
            threading.Thread(target=restart).start()
            time.sleep(0.2)
        original(h)

    def restart():
        fake.stop()
        time.sleep(1)
        fake.start()

    fake.routes["GET", "/v1/runs/17/events"] = events
    r = ctl(fake, "run", "watch", "17")
    assert r.returncode == 0 and "trying again" in said(r) and "run 17 done" in r.stdout.decode()


@pytest.mark.parametrize("state,code", [("done", 0), ("failed", 6), ("cancelled", 6)])
def test_watch_exit_code(fake, state, code):
    fake.routes["GET", "/v1/runs/17"] = run(state=state)
    assert ctl(fake, "run", "watch", "17").returncode == code
    assert fake.seen("GET", "/v1/runs/17/events") == []


def test_watch_refused(fake):
    assert ctl(fake, "run", "watch", "17").returncode == 4
    fake.routes["GET", "/v1/runs/17"] = run()
    fake.routes["GET", "/v1/runs/17/events"] = lambda h: h.problem(503, "too-many-streams", "too many")
    r = ctl(fake, "run", "watch", "17")
    assert r.returncode == 1 and "(too-many-streams)" in said(r)


def test_start_and_watch(fake, people):
    Uploads(fake)
    watched(fake, [[]], run(state="failed"))
    assert ctl(fake, "run", "start", str(people), "-c", "demo", "--watch").returncode == 6


def test_interrupt_leaves_the_run_alone(fake):
    fake.routes["GET", "/v1/runs/17"] = run()

    def events(h):
        h.stream("text/event-stream", [event("run", run())], whole=False)
        time.sleep(20)

    fake.routes["GET", "/v1/runs/17/events"] = events
    p = subprocess.Popen([LEADCTL, "--socket", fake.path, "run", "watch", "17"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=environment())
    assert p.stdout.readline() != b""
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=10)
    assert p.returncode == 130 and b"run 17 goes on" in err
    assert all(r[0] == "GET" for r in fake.requests)


# --- on a terminal ---

def on_terminal(fake, *args, size=(40, 100), **env):
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    p = subprocess.Popen([LEADCTL, "--socket", fake.path, *args], stdin=follower, stdout=follower,
                         stderr=follower, env=environment(**env))
    os.close(follower)
    out = b""
    deadline = time.time() + 30
    while time.time() < deadline:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                data = os.read(leader, 65536)
            except OSError:
                data = b""
            if not data:
                break
            out += data
    os.close(leader)
    return p.wait(10), out.decode().replace("\r\n", "\n")


def test_bars_on_a_terminal(fake):
    watched(fake, [[run(), run(open=150)]], run(state="done", open=0))
    code, out = on_terminal(fake, "run", "watch", "17")
    assert code == 0 and "\x1b[3A\x1b[J" in out and "█" in out and "░" in out
    frame = out.split("\x1b[3A\x1b[J")[1]
    assert re.search(r"^verify  █+░  492/513  12 waiting  8 in flight", frame, re.M)
    assert re.search(r"^copy    █+░+  100/133 ", frame, re.M)
    assert out.rstrip().splitlines()[-1].startswith("copy")  # the final table


def test_ascii_bars_where_the_terminal_has_no_utf8(fake):
    watched(fake, [[run(), run(open=150)]], run(state="done", open=0))
    code, out = on_terminal(fake, "run", "watch", "17", size=(40, 60), LC_ALL="C")
    assert code == 0 and "##--" in out and "█" not in out
    for line in out.split("\x1b[3A\x1b[J")[1].splitlines()[:3]:
        assert width(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 60


def test_tables_fit_the_terminal_and_have_colours_only_there(fake):
    fake.routes["GET", "/v1/runs"] = {"items": [run(source="a-very-long-name-" * 8 + ".csv")], "next": None}
    code, out = on_terminal(fake, "run", "list", size=(40, 160))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert code == 0 and "\x1b[32m" in out and "…" in plain and max(map(width, plain.splitlines())) <= 160
    for args, env in (((), {"NO_COLOR": "1"}), (("--no-color",), {}), ((), {"TERM": "dumb"})):
        assert "\x1b" not in on_terminal(fake, "run", "list", *args, **env)[1]
    assert b"\x1b" not in ctl(fake, "run", "list").stdout


def test_progress_of_an_upload(fake, people):
    Uploads(fake)
    code, out = on_terminal(fake, "run", "start", str(people), "-c", "demo")
    assert code == 0 and re.search(r"\rpeople\.csv  █+░+  1\.0 MiB of 2\.5 MiB", out)
    assert "run 17 running" in out


# --- exports ---

def test_export(fake, tmp_path):
    rows = [b"email\r\n", b"a@example.com\r\n" * 1000]
    fake.routes["GET", "/v1/runs/17/export"] = lambda h: h.stream("text/csv", rows)
    out = tmp_path / "x" / "out.csv"
    out.parent.mkdir()
    r = ctl(fake, "run", "export", "17", "-o", str(out), "--outcome", "confirmed,ready")
    assert r.returncode == 0 and out.read_bytes() == b"".join(rows) and os.listdir(out.parent) == ["out.csv"]
    assert fake.requests[-1][1] == "/v1/runs/17/export?format=csv&outcome=confirmed%2Cready"
    r = ctl(fake, "run", "export", "17", "--format", "jsonl")
    assert r.returncode == 0 and r.stdout == b"".join(rows)
    fake.routes["GET", "/v1/runs/17/rejects"] = lambda h: h.stream("text/csv", [b"row,reason\r\n"])
    assert ctl(fake, "run", "rejects", "17").stdout == b"row,reason\r\n"


def test_a_cut_export_leaves_no_file(fake, tmp_path):
    rows = [b"a@example.com\r\n" * 1000]
    fake.routes["GET", "/v1/runs/17/export"] = lambda h: h.stream("text/csv", rows, whole=False)
    folder = tmp_path / "x"
    folder.mkdir()
    r = ctl(fake, "run", "export", "17", "-o", str(folder / "out.csv"))
    assert r.returncode == 3 and "cut" in said(r) and os.listdir(folder) == []
    (folder / "out.csv").write_text("the old one")
    assert ctl(fake, "run", "export", "17", "-o", str(folder / "out.csv")).returncode == 3
    assert (folder / "out.csv").read_text() == "the old one" and os.listdir(folder) == ["out.csv"]
    assert ctl(fake, "run", "export", "17").returncode == 3
    r = ctl(fake, "run", "export", "18", "-o", str(folder / "other.csv"))
    assert r.returncode == 4 and os.listdir(folder) == ["out.csv"]
    assert ctl(fake, "run", "export", "17", "-o", str(tmp_path / "none" / "x")).returncode == 2
