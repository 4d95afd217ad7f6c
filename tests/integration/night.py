"""A night in a scratch folder: a leadsim, a leadd over the shipped services and pipeline, and ways to ask both.

LEADD, LEADCTL and LEADSIM name the programs. Only processes started here are ended, by their own handle.
"""

import csv
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEADS = ROOT / "tests" / "data" / "leads"
CAMPAIGN = "11111111-1111-4111-8111-111111111111"
BASES = {"zerobounce": "/zerobounce/v2", "perplexity": "/perplexity", "openai": "/openai/v1",
         "instantly": "/instantly/api/v2"}
SOURCES = {"apollo": "/apollo/api/v1", "apify": "/apify/v2", "hubspot": "/hubspot", "supabase": "/supabase/rest/v1", "hunter": "/hunter/v2",
           "n8n": "/n8n", "n8n-verifier": "/n8n"}  # not of the shipped pipeline
PART = 1 << 20
ENDED = ("done", "cancelled", "failed")
# What takes minutes in a real night takes seconds here: waits of the shipped services, not their limits or rules.
QUICK = {
    "zerobounce": [("wait: 60s", "wait: 1s"), ("wait: 60s", "wait: 1s"), ("{total: 90s}", "{connect: 1s, total: 3s}"),
                   ("base: 15min, cap: 1h", "base: 1s, cap: 2s")],
    "perplexity": [("{total: 120s}", "{connect: 1s, total: 3s}")],
    "openai": [("{total: 120s}", "{connect: 1s, total: 3s}"), ("wait: 15s", "wait: 1s"), ("wait: 15s", "wait: 1s")],
    "instantly": [("retry:", "timeout: {connect: 1s, total: 3s}\nretry:")],
}


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("leadd", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Refused(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def calm(median="30ms", p95="60ms", minimum="10ms"):
    """Services of a scenario that answer quickly and know every address."""
    latency = {"min": minimum, "median": median, "p95": p95}
    return {"zerobounce": {"latency": latency, "verdicts": {"unknown": "0%"}}, "perplexity": {"latency": latency},
            "openai": {"latency": latency}, "instantly": {"latency": latency}}


class Night:
    """scenario: of leadsim(1), a dict. edit: {service: [(old, new), …]} in copies of the shipped service files.
    settings: more of leadd.yaml. factor: multiplies all limits of both sides. env: more of leadd's environment."""

    def __init__(self, scenario=None, factor=60, edit=None, settings=None, budget=1000, env=None):
        self.folder = Path(tempfile.mkdtemp(prefix="leadd-night."))
        self.scenario = scenario or {}
        self.factor = factor
        self.edit = edit or {}
        self.settings = settings or {}
        self.budget = budget
        self.env = env or {}
        self.sim = self.leadd = None
        self.sim_port = 0
        self.starts = 0

    def __enter__(self):
        self.start_sim()
        self.write_settings()
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        for process in (self.leadd, self.sim):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if kind is None and "KEEP" not in os.environ:
            shutil.rmtree(self.folder)
        else:
            print(f"the night's folder is {self.folder}")

    # --- the outside services ---

    def start_sim(self):
        """Starts leadsim, at the port it had before if it ran already; what it knew is then forgotten."""
        file = self.folder / "scenario.yaml"
        file.write_text(json.dumps(self.scenario))
        read, write = os.pipe()
        with open(self.folder / "leadsim.log", "a") as log:
            self.sim = subprocess.Popen(
                [os.environ["LEADSIM"], "--listen", f"127.0.0.1:{self.sim_port}", "--scenario", str(file),
                 "--limit-factor", str(self.factor), "--ready-fd", str(write)],
                pass_fds=[write], stdout=log, stderr=log)
        os.close(write)
        with os.fdopen(read) as ready:
            line = ready.readline().strip()
        assert line, (self.folder / "leadsim.log").read_text()
        self.sim_port = int(line.rsplit(":", 1)[1])

    def kill_sim(self):
        self.sim.kill()
        self.sim.wait()

    def sim_request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.sim_port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, data
            return json.loads(data) if data else None
        finally:
            connection.close()

    def report(self):
        return self.sim_request("GET", "/_sim/report?full=1")

    # --- leadd ---

    def write_settings(self):
        secrets = self.folder / "secrets"
        services = self.folder / "services"
        secrets.mkdir(exist_ok=True)
        services.mkdir(exist_ok=True)
        for name in BASES | SOURCES:
            (secrets / name).write_text(f"key-of-{name}\n")
        for name, changes in self.edit.items():
            text = (ROOT / "etc" / "services" / f"{name}.yaml").read_text()
            for old, new in changes:
                assert old in text, f"{name}.yaml does not say {old!r}"
                text = text.replace(old, new, 1)
            (services / f"{name}.yaml").write_text(text)
        host = f"http://127.0.0.1:{self.sim_port}"
        settings = {
            "state_dir": "state", "socket": "leadd.sock", "secrets_dir": "secrets",
            "services_dir": ["services", str(ROOT / "etc" / "services")],
            "pipelines_dir": str(ROOT / "etc" / "pipelines"), "lists_dir": str(ROOT / "etc" / "lists"),
            "limit_factor": self.factor, "allow_private": True,
            "services": {name: {"base": host + path} for name, path in (BASES | SOURCES).items()},
            "campaigns": {"demo": {"pipeline": "cold-email", "budget": self.budget,
                                   "vars": {"instantly_campaign": CAMPAIGN, "offer": "We automate small jobs."}}},
        }
        settings.update(self.settings)
        (self.folder / "leadd.yaml").write_text(json.dumps(settings, indent=1))

    def start(self, wait=True):
        self.starts += 1
        with open(self.folder / "leadd.log", "a") as log:
            self.leadd = subprocess.Popen([os.environ["LEADD"], "--config", str(self.folder / "leadd.yaml")],
                                          stdout=log, stderr=log, env={**os.environ, **self.env})
        if wait:
            self.wait_ready()

    def start_later(self, seconds):
        """Starts it as if the machine had slept so long: its clocks are ahead of ours (tests/integration/later.c)."""
        options = os.environ.get("ASAN_OPTIONS", "")
        self.env = {**self.env, "LD_PRELOAD": os.environ["LATER"], "LATER_S": str(seconds), "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}
        self.start()

    def wait_ready(self):
        end = time.monotonic() + 60
        while True:
            assert self.leadd.poll() is None, self.log()
            try:
                return self.get("/v1/status")
            except OSError:
                assert time.monotonic() < end, "leadd does not answer"
                time.sleep(0.01)

    def kill(self):
        """kill -9: nothing is closed, nothing is written any more."""
        self.leadd.kill()
        self.leadd.wait()

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.leadd.send_signal(signal.SIGTERM)
        return self.leadd.wait(timeout=120)

    def log(self):
        return (self.folder / "leadd.log").read_text()

    # --- asking ---

    def request(self, method, path, body=None, headers=None, timeout=60):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = Unix(self.folder / "leadd.sock", timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
            if "Content-Length" not in answer.headers and "Transfer-Encoding" not in answer.headers:
                raise ConnectionError("leadd broke off in the middle of a head")
        except http.client.HTTPException as e:
            raise ConnectionError(f"leadd broke off: {e!r}") from e
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(answer.status, data.decode())
        return data

    def get(self, path):
        return json.loads(self.request("GET", path))

    def post(self, path, body=None, headers=None):
        return json.loads(self.request("POST", path, body or {}, headers))

    def items(self, path):
        """All pages of a list."""
        found, cursor = [], ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000{cursor}")
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    def leadctl(self, *args):
        """Output and exit code."""
        done = subprocess.run([os.environ["LEADCTL"], "--socket", str(self.folder / "leadd.sock"), *args],
                              capture_output=True, text=True, timeout=300)
        return done.stdout + done.stderr, done.returncode

    def upload(self, data, name="people.csv"):
        upload = self.post("/v1/uploads", {"name": name, "size": len(data)})["upload"]
        for offset in range(0, len(data), PART):
            self.request("PUT", f"/v1/uploads/{upload}?offset={offset}", data[offset:offset + PART])
        return upload

    def start_run(self, data, **more):
        """data: the file's bytes. Returns the run's number."""
        return self.post("/v1/runs", {"campaign": "demo", "upload": self.upload(data), **more})["run"]

    def wait_for(self, run, check, seconds=300):
        """Until check(run object) holds; survives a leadd that is being started anew."""
        end = time.monotonic() + seconds
        while True:
            shown = self.get(f"/v1/runs/{run}")
            if check(shown):
                return shown
            assert time.monotonic() < end, f"run {run} stands still: {json.dumps(shown, indent=1)}"
            time.sleep(0.05)

    def wait_end(self, run, seconds=300):
        """Until the run has ended and its files are written."""
        return self.wait_for(run, lambda r: r["state"] in ENDED and r["results"] is not None, seconds)

    # --- what came out ---

    def export(self, run):
        lines = self.request("GET", f"/v1/runs/{run}/export?format=jsonl").decode().splitlines()
        return [json.loads(line) for line in lines]

    def ledger(self, run):
        return self.items(f"/v1/ledger?run={run}")

    def results(self, run):
        """The files of the run's end: rows of the CSVs, the object of metrics.json, texts of the rest."""
        found = {}
        for file in sorted((self.folder / "state" / "runs" / str(run)).iterdir()):
            text = file.read_text()
            if file.suffix == ".csv":
                found[file.name] = list(csv.DictReader(io.StringIO(text)))
            else:
                found[file.name] = json.loads(text) if file.suffix == ".json" else text
        return found
