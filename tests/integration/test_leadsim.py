"""leadsim over real sockets: what its faults look like on the wire, and what its report says of them.

LEADSIM names the program to test.
"""

import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

LEADSIM = os.environ["LEADSIM"]
CALM = "latency: {min: 0s, median: 0s, p95: 0s}, limits: []"


class Sim:
    def __init__(self, process, port):
        self.process = process
        self.port = port

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def raw(self, data=b""):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        s.sendall(data)
        return s

    def call(self, method, path, body=None, connection=None, call_id="1"):
        c = connection or self.connect()
        c.request(method, path, body, {"Authorization": "Bearer k", "X-Request-Id": call_id})
        r = c.getresponse()
        data = r.read()
        if connection is None:
            c.close()
        return r, data

    def report(self, query=""):
        return json.loads(self.call("GET", "/_sim/report" + query)[1])


@contextmanager
def running(tmp_path, scenario="", *options):
    file = tmp_path / "scenario.yaml"
    file.write_text(scenario)
    read, write = os.pipe()
    process = subprocess.Popen(
        [LEADSIM, "--listen", "127.0.0.1:0", "--scenario", str(file), "--ready-fd", str(write), *options],
        pass_fds=[write], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.close(write)
    with os.fdopen(read) as ready:
        url = ready.readline().strip()
    assert url.startswith("http://127.0.0.1:"), process.communicate()[1]
    try:
        yield Sim(process, int(url.rsplit(":", 1)[1]))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0, err
        assert err == ""
        assert out == f"leadsim: listening on {url}\n"


def services(**each):
    """A calm world with these settings on top, by service."""
    lines = ["services:"]
    for name in ("zerobounce", "perplexity", "openai", "instantly"):
        lines.append(f"  {name}: {{{CALM}{', ' + each[name] if name in each else ''}}}")
    return "\n".join(lines) + "\n"


def validate(email, key="k"):
    return f"/zerobounce/v2/validate?api_key={key}&email={email}"


def request(path, close=False):
    return (f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: 7\r\n"
            + ("Connection: close\r\n" if close else "") + "\r\n").encode()


def read_all(s):
    data = b""
    while part := s.recv(65536):
        data += part
    return data


def test_all_services_on_one_connection(tmp_path):
    with running(tmp_path, services()) as sim:
        c = sim.connect()
        r, body = sim.call("GET", validate("a%40b.example"), connection=c)
        assert r.status == 200 and json.loads(body)["address"] == "a@b.example"
        chat = json.dumps({"model": "sonar", "messages": [{"role": "user", "content": "Company: Acme"}]})
        r, body = sim.call("POST", "/perplexity/chat/completions", chat, c)
        assert r.status == 200 and json.loads(body)["usage"]["cost"]["total_cost"] > 0.005
        chat = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "First name: Zoë"}]})
        r, body = sim.call("POST", "/openai/v1/chat/completions", chat, c)
        text = json.loads(body)["choices"][0]["message"]["content"]
        assert r.status == 200 and "Zoë" in text
        lead = json.dumps({"campaign": "c", "email": "a@b.example"})
        r, body = sim.call("POST", "/instantly/api/v2/leads", lead, c, "push-1")
        assert r.status == 200
        r, body = sim.call("DELETE", "/instantly/api/v2/leads/" + json.loads(body)["id"], connection=c)
        assert r.status == 200
        report = sim.report()
        assert report["calls"] == 5
        assert report["services"]["instantly"]["answers"] == {"ok": 2}
        assert [b["service"] for b in report["bills"]] == ["zerobounce", "perplexity", "openai"]
        assert report["billed_micro"] == sum(b["price_micro"] for b in report["bills"])


def test_pipelined_requests_are_answered_in_order(tmp_path):
    with running(tmp_path, services()) as sim:
        s = sim.raw(b"".join(request(validate(f"p{i}@b.example"), i == 99) for i in range(100)))
        data = read_all(s)
        places = [data.find(f'"address":"p{i}@b.example"'.encode()) for i in range(100)]
        assert places == sorted(places) and -1 not in places


def test_bytes_that_come_one_by_one(tmp_path):
    with running(tmp_path, services()) as sim:
        s = sim.raw()
        body = json.dumps({"campaign": "c", "email": "a@b.example"}).encode()
        head = b"POST /instantly/api/v2/leads HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-length: %d\r\n\r\n" % len(body)
        for byte in head + body:
            s.sendall(bytes([byte]))
        assert s.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("bad", [
    b"NONSENSE\r\n\r\n",
    b"GET http://elsewhere/ HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100 + b"\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
])
def test_bad_requests_are_refused_and_closed(tmp_path, bad):
    with running(tmp_path, services()) as sim:
        s = sim.raw(bad)
        try:
            data = read_all(s)
        except ConnectionResetError:
            return  # bytes that nobody read
        assert data.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 411 "))


def test_resets(tmp_path):
    script = "script: [{fault: reset-before, calls: 1}, {fault: reset-after, calls: 1}]"
    with running(tmp_path, services(zerobounce=script)) as sim:
        for billed in (0, 1):
            s = sim.raw(request(validate("a@b.example")))
            with pytest.raises(ConnectionResetError):
                s.recv(1)
            assert sim.report()["services"]["zerobounce"]["billed_calls"] == billed
        assert sim.call("GET", validate("a@b.example"))[0].status == 200
        zerobounce = sim.report()["services"]["zerobounce"]
        assert zerobounce["billed_calls"] == 2
        assert zerobounce["repeats_in_doubt"] == 1 and zerobounce["repeats_p3"] == 0
        assert zerobounce["faults"] == {"reset-before": 1, "reset-after": 1}


def test_truncated(tmp_path):
    with running(tmp_path, services(zerobounce="script: [{fault: truncate}]")) as sim:
        data = read_all(sim.raw(request(validate("a@b.example"))))
        head, body = data.split(b"\r\n\r\n", 1)
        length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.startswith(b"Content-Length"))
        assert 0 < len(body) < length
        with pytest.raises(http.client.IncompleteRead):
            sim.call("GET", validate("c@b.example"))
        assert sim.report()["services"]["zerobounce"]["billed_calls"] == 2


def test_drip(tmp_path):
    scenario = "faults: {drip_bytes: 50, drip_every: 20ms}\n" + services(zerobounce="script: [{fault: drip}]")
    with running(tmp_path, scenario) as sim:
        s = sim.raw(request(validate("a@b.example"), close=True))
        parts = []
        while part := s.recv(65536):
            parts.append((time.monotonic(), part))
        body = b"".join(p for _, p in parts).split(b"\r\n\r\n", 1)[1]
        assert json.loads(body)["status"]
        assert len(parts) >= len(body) // 50
        assert parts[-1][0] - parts[0][0] > 0.015 * (len(body) // 50 - 1)


def test_hang_answers_never_and_goes_away_with_the_client(tmp_path):
    with running(tmp_path, services(zerobounce="script: [{fault: hang, calls: 2}]")) as sim:
        hung = [sim.raw(request(validate(f"h{i}@b.example"))) for i in range(2)]
        hung[0].settimeout(0.3)
        with pytest.raises(socket.timeout):
            hung[0].recv(1)
        assert sim.call("GET", validate("c@b.example"))[0].status == 200  # others go on
        for s in hung:
            s.close()
        for _ in range(50):
            if json.loads(sim.call("GET", "/_sim/health")[1])["connections"] == 1:
                break
            time.sleep(0.02)
        else:
            pytest.fail("the hanging connections stayed")
        assert sim.report()["services"]["zerobounce"]["billed_calls"] == 1


def test_huge(tmp_path):
    with running(tmp_path, services(zerobounce="script: [{fault: huge}]")) as sim:
        _, body = sim.call("GET", validate("a@b.example"))
        assert len(body) > 20 << 20
        assert json.loads(body)["status"]


def test_latency_is_waited_for(tmp_path):
    scenario = "services: {zerobounce: {limits: [], latency: {min: 200ms, median: 200ms, p95: 200ms}}}"
    with running(tmp_path, scenario) as sim:
        c = sim.connect()
        for i in range(3):
            start = time.monotonic()
            sim.call("GET", validate(f"l{i}@b.example"), connection=c)
            assert 0.19 < time.monotonic() - start < 0.6


def test_limits_and_their_audit(tmp_path):
    scenario = services().replace("limits: []", "limits: [3/500ms]", 1)
    with running(tmp_path, scenario, "--limit-factor", "2") as sim:
        c = sim.connect()
        answers = [sim.call("GET", validate(f"w{i}@b.example"), connection=c)[0].status for i in range(8)]
        assert answers == [200] * 6 + [429] * 2
        time.sleep(0.51)
        assert sim.call("GET", validate("x@b.example"), connection=c)[0].status == 200
        window = sim.report()["services"]["zerobounce"]["windows"][0]
        assert (window["limit"], window["max"], window["worst"], window["violations"]) == ("3/500ms", 6, 8, 2)


def test_repeats(tmp_path):
    with running(tmp_path, services()) as sim:
        for call_id in ("one", "two"):
            sim.call("GET", validate("a@b.example"), call_id=call_id)
        report = sim.report()
        assert report["repeats_p3"] == 1
        assert (report["repeats"][0]["first"], report["repeats"][0]["second"]) == ("one", "two")
        assert [b["delivered"] for b in report["bills"]] == [True, True]


def test_doubt_when_the_client_ends_at_once(tmp_path):
    with running(tmp_path, "doubt: 2s\n" + services()) as sim:
        sim.call("GET", validate("a@b.example"))  # closes its connection right after the answer
        c = sim.connect()
        sim.call("GET", validate("a@b.example"), connection=c)
        report = sim.report()
        assert (report["repeats_p3"], report["repeats_in_doubt"]) == (0, 1)
        sim.call("GET", validate("b@b.example"), connection=c)
        sim.call("GET", validate("a@b.example"), connection=c)  # alive: the second answer was seen
        assert sim.report()["repeats_p3"] == 1
        c.close()
        sim.call("GET", validate("b@b.example"))  # it ended soon after this one, too
        report = sim.report()
        assert (report["repeats_p3"], report["repeats_in_doubt"]) == (1, 2)


def test_answer_to_a_client_that_left_is_in_doubt(tmp_path):
    scenario = "services: {zerobounce: {limits: [], latency: {min: 300ms, median: 300ms, p95: 300ms}}}"
    with running(tmp_path, scenario) as sim:
        sim.raw(request(validate("a@b.example"))).close()
        time.sleep(0.4)
        sim.call("GET", validate("a@b.example"))
        report = sim.report()
        assert (report["repeats_p3"], report["repeats_in_doubt"], report["billed_calls"]) == (0, 1, 2)


def test_scenario_swapped_while_running(tmp_path):
    with running(tmp_path, services()) as sim:
        chat = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]})
        outage = "services: {openai: {script: [{fault: quota}]}}"
        assert sim.call("POST", "/openai/v1/chat/completions", chat)[0].status == 200
        assert sim.call("POST", "/_sim/scenario", outage)[0].status == 200
        r, body = sim.call("POST", "/openai/v1/chat/completions", chat)
        assert r.status == 429 and json.loads(body)["error"]["type"] == "insufficient_quota"
        assert sim.call("POST", "/_sim/scenario", "services: {openai: {script: []}}")[0].status == 200
        assert sim.call("POST", "/openai/v1/chat/completions", chat)[0].status == 200
        r, body = sim.call("POST", "/_sim/scenario", "services: {openai: {scrpt: []}}")
        assert r.status == 422 and "script" in json.loads(body)["error"]
        assert sim.call("POST", "/_sim/reset")[0].status == 200
        assert sim.report()["calls"] == 0


def test_pushed_leads_are_named_only_on_demand(tmp_path):
    with running(tmp_path, services()) as sim:
        for campaign in ("c", "c", "d"):
            sim.call("POST", "/instantly/api/v2/leads", json.dumps({"campaign": campaign, "email": "a@b.example"}))
        pushed = sim.report()["pushed"]
        assert (pushed["count"], pushed["doubled"]) == (3, 1)
        assert "a@b.example" not in json.dumps(pushed)
        assert [p["email"] for p in sim.report("?full=1")["pushed"]["leads"]] == ["a@b.example"] * 3
        assert "bills" not in sim.report("?bills=0")


def test_report_file(tmp_path):
    file = tmp_path / "report.json"
    with running(tmp_path, services(), "--report", str(file)) as sim:
        sim.call("GET", validate("a@b.example"))
    assert json.loads(file.read_text())["billed_calls"] == 1


@pytest.mark.parametrize("options,says", [
    (["--listen", "0.0.0.0:0"], "only loopback"),
    (["--listen", "127.0.0.1"], "ADDR:PORT"),
    (["--scenario", "/nonexistent"], "/nonexistent"),
    (["--limit-factor", "0"], "limit-factor"),
    (["more"], "usage"),
])
def test_refused_options(options, says):
    r = subprocess.run([LEADSIM, *options], capture_output=True, text=True, timeout=10)
    assert r.returncode == 2 and says in r.stderr


# --- requests of the world's own ---


@contextmanager
def called_back(refuse=0):
    """Somebody who waits to be called back; the first so many calls are refused. Yields the address and what came."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body)))
            self.send_response(503 if len(got) <= refuse else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/callbacks/token?a=1", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def callbacks(sim, wanted):
    """Waits until so many callbacks have ended; how."""
    for _ in range(200):
        counts = json.loads(sim.call("GET", "/_sim/health")[1])["callbacks"]
        if counts["delivered"] + counts["failed"] == wanted and counts["waiting"] == 0:
            return counts
        time.sleep(0.05)
    raise AssertionError(counts)


def enrich(sim, domain, url):
    r, body = sim.call("POST", "/n8n/webhook/company-enrichment", json.dumps({"domain": domain, "callback_url": url}))
    assert r.status == 200 and json.loads(body) == {"message": "Workflow was started"}


N8N = "services: {n8n: {latency: {min: 100ms, median: 100ms, p95: 100ms}, respond: callback, callbacks: {%s}}}\n"


def test_a_workflow_calls_back(tmp_path):
    """Once it is answered with a 2xx it is over; asking for the same work again after that is a repeat."""
    with running(tmp_path, N8N % "early: 0%, twice: 0%") as sim, called_back(refuse=1) as (url, got):
        before = time.monotonic()
        enrich(sim, "a.example", url)
        assert time.monotonic() - before < 0.09
        enrich(sim, "a.example", url)                # in doubt: nothing was told yet
        assert callbacks(sim, 2) == {"waiting": 0, "delivered": 2, "failed": 0}
        assert len(got) == 3 and all(path == "/v1/callbacks/token?a=1" for path, _ in got)
        assert all(body["company"]["domain"] == "a.example" for _, body in got)
        enrich(sim, "a.example", url)
        report = sim.report()
        assert report["services"]["n8n"]["repeats_in_doubt"] == 1 and report["repeats_p3"] == 1
        assert report["kept"]["n8n_callbacks"] == 3


def test_callbacks_twice_and_to_nobody(tmp_path):
    with running(tmp_path, N8N % "early: 0%, twice: 100%") as sim, called_back() as (url, got):
        enrich(sim, "a.example", url)
        assert callbacks(sim, 2)["delivered"] == 2 and got[0] == got[1]
        enrich(sim, "b.example", "http://192.0.2.1:80/x")    # only loopback is called
        enrich(sim, "c.example", "ftp://127.0.0.1/x")
        assert callbacks(sim, 6) == {"waiting": 0, "delivered": 2, "failed": 4}
        enrich(sim, "d.example", url)
        assert sim.call("POST", "/_sim/reset")[0].status == 200
        assert callbacks(sim, 0)["waiting"] == 0


def test_a_thousand_connections(tmp_path):
    with running(tmp_path, services()) as sim:
        sockets = [sim.raw() for _ in range(1000)]
        for i, s in enumerate(sockets):
            s.sendall(request(validate(f"m{i}@b.example")))
        for s in sockets:
            assert s.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert sim.report()["billed_calls"] == 1000
        for s in sockets:
            s.close()
