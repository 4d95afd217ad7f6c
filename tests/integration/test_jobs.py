"""Work that services do behind their answers, and answers that take long: results that are called back or asked for, kills in
the middle, and a connection that waits while leadd goes on. LONG=1 lets the slow answer take three minutes."""

import json
import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flow_kit import FlowNight, one_stage, wait
from night import Refused

SLOW_S = 180 if "LONG" in os.environ else 18
LATENCY = {"min": "300ms", "median": "700ms", "p95": "1500ms"}
STAGE = {"pipeline": "companies", "stages": [
    {"stage": "enrich", "call": "n8n.enrich_company_later",
     "with": {"domain": "${.domain}", "name": "${.company}", "state": "CA", "pms": "AppFolio"}}]}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class JobNight(FlowNight):
    """leadsim's workflows, which answer at once; leadd listens for what they call back."""

    def __init__(self, respond, edit=(), **callbacks):
        n8n = {"latency": LATENCY, "respond": respond, "callbacks": callbacks}
        quick = [("every: 30s, within: 2h, callback: {wait: 10min}", "every: 400ms, within: 60s, callback: {wait: 3s}"), *edit]
        super().__init__(scenario={"doubt": "250ms", "services": {"n8n": n8n}}, edit={"n8n": quick},
                         pipelines={"companies": STAGE}, campaigns={"demo": {"pipeline": "companies"}})
        self.port = free_port()

    def write_settings(self):
        super().write_settings()
        (self.folder / "secrets" / "n8n").write_text("key-of-n8n\n")
        file = self.folder / "leadd.yaml"
        settings = json.loads(file.read_text())
        settings["services"]["n8n"] = {"base": f"http://127.0.0.1:{self.sim_port}/n8n"}
        settings |= {"listen": f"127.0.0.1:{self.port}", "callback_url": f"http://127.0.0.1:{self.port}"}
        file.write_text(json.dumps(settings))

    def companies(self, n):
        text = "company,domain,email\n" + "".join(f"Firm {i},firm{i}homes.com,info@firm{i}homes.com\n" for i in range(n))
        return self.post("/v1/runs", {"campaign": "demo", "upload": self.upload(text.encode())})["run"]

    def check(self, run, n):
        """Every company has its result, none was paid or asked for twice where it was told."""
        shown = self.wait_end(run, 60)
        assert shown["outcomes"]["ready"] == n, json.dumps(shown, indent=1)
        assert all(lead["fields"].get("decision_makers") is not None for lead in self.export(run))
        assert self.get("/v1/status")["in_flight"] == 0
        lines = self.post("/v1/store/check")
        assert lines["problems"] == 0, lines
        text, rc = self.leadctl("--json", "replay", "run", str(run))  # the results are kept with how they came
        assert rc == 0 and json.loads(text)["same"] == n, text
        report = self.report()
        assert report["repeats_p3"] == 0, json.dumps(report, indent=1)
        return report


def test_called_back():
    """Twelve at once behind six places; killed twice with jobs open; what is called back meanwhile is tried again."""
    with JobNight("callback", early="15%", twice="15%") as night:
        run = night.companies(24)
        for _ in range(2):
            shown = night.wait_for(run, lambda r: r["stages"][0].get("jobs", {}).get("open", 0) >= 4)
            jobs = [c for c in night.ledger(run) if c["job"] is not None and c["job"]["state"] == "open"]
            assert jobs and all(c["state"] == "sent" and c["job"]["callback"] and c["job"]["until"] for c in jobs)
            assert shown["stages"][0]["in_flight"] <= 6  # each keeps its place
            night.kill()
            night.start()
        text, rc = night.leadctl("run", "show", str(run))
        assert rc == 0
        report = night.check(run, 24)
        assert report["services"]["n8n"]["repeats_in_doubt"] <= 2
        calls = [c for c in night.ledger(run) if c["polls"] is None and c["outcome"] == "ok"]
        assert len(calls) == 24 and all(c["job"]["state"] == "ended" and c["job"]["callbacks"] >= 1 for c in calls)
        # nobody's token, over the socket and over TCP, and no word on why
        for token in ("0" * 32, "x", "0" * 31, "../" * 9):
            with pytest.raises(Refused) as refused:
                night.request("POST", f"/v1/callbacks/{token.replace('/', '%2F')}", {})
            assert refused.value.status == 404 and "token" not in refused.value.body


def test_asked_for():
    """No callback ever comes: every result is asked for, before and after a kill."""
    with JobNight("poll") as night:
        run = night.companies(18)
        night.wait_for(run, lambda r: r["stages"][0].get("jobs", {}).get("open", 0) >= 4)
        lead = next(c["parts"][0]["lead"] for c in night.ledger(run) if c["job"] and c["job"]["state"] == "open")
        text, _ = night.leadctl("why", "lead", f"{run}/{lead}")
        shown, _ = night.leadctl("lead", "show", f"{run}/{lead}")
        if night.get(f"/v1/leads/{run}/{lead}").get("job"):  # it may have come meanwhile
            assert "its job" in text and "job" in shown, text + shown
        night.kill()
        night.start()
        night.check(run, 18)
        rows = night.ledger(run)
        polls = [c for c in rows if c["polls"] is not None]
        assert len(polls) >= 18 and all(c["endpoint"] == "company_result" and c["reserved_micro"] == 0 for c in polls)
        text, rc = night.leadctl("ledger", "list", "--run", str(run))
        assert rc == 0 and "company_result" in text


def test_scraper_runs():
    """Three runs of a scraper, one of which is going on when leadd is killed: each is started once, and costs what it says when it
    is over, not what it said when it began."""
    pipeline = {"pipeline": "scrape", "stages": [
        {"stage": "gather", "call": "apify.gather", "with": {"actor": "someone~scraper", "input": {"maxItems": "${.items | tonumber}"}}}]}
    with FlowNight(scenario={"doubt": "250ms", "services": {"apify": {"run": "1500ms", "latency": {"min": "5ms", "median": "10ms", "p95": "20ms"}}}},
                   edit={"apify": [("every: 20s, within: 6h", "every: 300ms, within: 60s")]},
                   pipelines={"scrape": pipeline}, campaigns={"demo": {"pipeline": "scrape"}}) as night:
        text = b"company,email,items\nOne,a@one.com,10\nTwo,b@two.com,20\nThree,c@three.com,30\n"
        run = night.post("/v1/runs", {"campaign": "demo", "upload": night.upload(text)})["run"]
        night.wait_for(run, lambda r: r["stages"][0].get("jobs", {}).get("open", 0) == 3)
        assert night.get(f"/v1/runs/{run}")["reserved_micro"] == 3 * 2_500_000
        night.kill()
        night.start()
        shown = night.wait_end(run, 30)
        assert shown["outcomes"]["ready"] == 3 and shown["settled_micro"] == 60 * 1200, json.dumps(shown, indent=1)
        report = night.report()
        assert report["billed_micro"] == 60 * 1200 and report["repeats_p3"] == 0, json.dumps(report, indent=1)
        assert all(lead["fields"]["dataset_id"].startswith("d") for lead in night.export(run))
        assert night.post("/v1/store/check")["problems"] == 0


# --- answers that take long ---


class SlowServer:
    """POST /ask answers after `seconds` (an attribute), GET /look at once what was asked before. Each request is noted."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.asked = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append(body)
                time.sleep(server.seconds)
                self.tell({"text": "worth waiting for"})

            def do_GET(self):
                server.asked.append({"look": self.path})
                self.tell({"text": "found"})

            def tell(self, value):
                data = json.dumps(value).encode()
                try:
                    self.send_response_only(200)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


def slow_service(name, server, doubt):
    ask = {"post": "/ask", "json": {"rule": name, "email": "${.email}"}, "price": {"per_call": 0.01}, "in_doubt": doubt,
           "map": {"text": ".text"}}
    look = {"get": "/look", "query": {"email": "${.email}"}, "in_doubt": "free", "map": {"text": ".text"}}
    return {"service": name, "base": server.base, "keys": [name], "auth": "bearer", "timeout": {"total": "4h"},
            "calls": {"ask": ask, "look": look}}


def slow_night(server, rules):
    return FlowNight(with_sim=False, services={n: slow_service(n, server, d) for n, d in rules.items()},
                     pipelines={n: one_stage(n, f"{n}.ask") for n in rules},
                     campaigns={n: {"pipeline": n} for n in rules}, settings={"services": {}, "drain": "0s"})


def test_slow_answers():
    """One leadd waits for its answer to the end and stays awake; another one is killed, a third one stopped in the middle, and
    each call goes on by its own rule for doubt."""
    rules = {"hold": "hold", "repeat": {"repeat": 1}, "lookup": {"lookup": "look"}}
    server = SlowServer(SLOW_S)
    with slow_night(server, {"patient": "hold"}) as patient, slow_night(server, rules) as killed, \
            slow_night(server, rules) as stopped:
        began = time.monotonic()
        waits = patient.run(1, "patient")
        runs = {night: {n: night.run(1, n) for n in rules} for night in (killed, stopped)}
        wait(lambda: len(server.asked) == 7, 10, "all requests")
        worst = 0
        while time.monotonic() - began < SLOW_S / 3:
            at = time.monotonic()
            assert patient.get("/v1/status")["in_flight"] == 1
            worst = max(worst, time.monotonic() - at)
            time.sleep(0.05)
        assert worst < 0.5, worst
        server.seconds = 0.2
        for night in (killed, stopped):
            if night is killed:
                night.kill()
            else:
                assert night.stop() == 0
            night.start()
            held = night.wait_end(runs[night]["hold"], 30)
            assert held["outcomes"]["parked"] == 1 and held["in_doubt_micro"] == 10000
            again = night.wait_end(runs[night]["repeat"], 30)
            assert again["outcomes"]["ready"] == 1 and again["in_doubt_micro"] == 10000 and again["settled_micro"] == 10000
            found = night.wait_end(runs[night]["lookup"], 30)
            assert found["outcomes"]["ready"] == 1 and found["in_doubt_micro"] == 10000 and found["settled_micro"] == 0
            assert night.export(runs[night]["lookup"])[0]["fields"]["text"] == "found"
            assert night.post("/v1/store/check")["problems"] == 0
        assert sum("look" in a for a in server.asked) == 2 and sum(a.get("rule") == "repeat" for a in server.asked) == 4
        done = patient.wait_end(waits, SLOW_S + 10)
        assert done["outcomes"]["ready"] == 1 and done["settled_micro"] == 10000 and done["in_doubt_micro"] == 0
        assert time.monotonic() - began >= SLOW_S
        assert patient.export(waits)[0]["fields"]["text"] == "worth waiting for"
        assert sum(a.get("rule") == "patient" for a in server.asked) == 1
