"""What the flow-control tests share: people that pass all free checks, a service of our own making, and nights over
services, pipelines and campaigns given as dicts."""

import json
import os
import socket
import struct
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from night import CAMPAIGN, Night, calm

LONG = "FLOW_LONG" in os.environ
FIRST = ["Ann", "Bob", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Irene", "Jacob"]


def letters(i):
    """0 -> ba, 1 -> bb …: a surname without digits, which the name gate would refuse."""
    text = ""
    while i or len(text) < 3:
        text = "abdefgklmn"[i % 10] + text
        i //= 10
    return text.capitalize() + "er"


def people(n, start=0):
    """n rows, each of which passes every free check."""
    lines = ["first_name,last_name,title,company,email"]
    for i in range(start, start + n):
        last = letters(i)
        first = FIRST[i % len(FIRST)]
        lines.append(f"{first},{last},Owner,{last} Works,{first.lower()}@{last.lower()}works.com")
    return ("\n".join(lines) + "\n").encode()


def stamp(text):
    """Seconds since 1970 of the API's times."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Asked:
    """One request that reached the stub."""

    def __init__(self, handler, body):
        self.at = time.monotonic()
        parts = urlsplit(handler.path)
        self.method = handler.command
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))
        self.headers = {k.lower(): v for k, v in handler.headers.items()}
        self.key = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.body = json.loads(body) if body else None


class Stub:
    """A service on loopback. `answer(asked)` returns (status, headers, object), or RESET or HANG."""

    RESET, HANG = "reset", "hang"

    def __init__(self, answer=None):
        self.answer = answer or (lambda asked: (200, {}, {"text": "good"}))
        self.asked = []
        self.lock = threading.Lock()
        self.released = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self, body)
                with stub.lock:
                    stub.asked.append(asked)
                    result = stub.answer(asked)
                if result == Stub.HANG:
                    stub.released.wait()
                if result in (Stub.HANG, Stub.RESET):
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                status, headers, value = result
                data = json.dumps(value).encode()
                self.send_response_only(status)
                for name, text in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = reply

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def times(self, path=None):
        with self.lock:
            return [a.at for a in self.asked if path is None or a.path == path]


def service(name, stub, calls=None, **more):
    """A service file over a stub: one call `ask` with a price, unless `calls` says otherwise."""
    ask = {"post": "/ask", "json": {"email": "${.email}"}, "price": {"per_call": 0.01}, "in_doubt": {"repeat": 5},
           "map": {"text": ".text"}}
    return {"service": name, "base": stub.base, "keys": [name], "auth": "bearer", "limits": ["1000/s"],
            "calls": calls or {"ask": ask}, **more}


def one_stage(name, call, **more):
    """A pipeline of one stage."""
    stage = {"stage": "ask", "call": call, "with": {"email": "${.email}"}, **more}
    return {"pipeline": name, "stages": [{"stage": "intake", "gates": [{"check": "address"}]}, stage]}


class FlowNight(Night):
    """services, pipelines: files by name, as dicts or texts. campaigns: of leadd.yaml. secrets: more of them, by name.
    bases: other addresses for shipped services."""

    def __init__(self, services=None, pipelines=None, campaigns=None, secrets=None, bases=None, with_sim=True, **more):
        super().__init__(**more)
        self.services = services or {}
        self.pipelines = pipelines or {}
        self.campaigns = campaigns
        self.secrets = secrets or {}
        self.bases = bases or {}
        self.with_sim = with_sim

    def start_sim(self):
        if self.with_sim:
            super().start_sim()

    def write_settings(self):
        folder = self.folder / "pipelines"
        folder.mkdir(exist_ok=True)
        settings = {"pipelines_dir": [str(folder), str(self.shipped("pipelines"))]}
        if self.campaigns is not None:
            settings["campaigns"] = self.campaigns
        self.settings = {**settings, **self.settings}
        super().write_settings()
        for name, base in self.bases.items():
            self.change("leadd.yaml", json.loads((self.folder / "leadd.yaml").read_text())["services"][name]["base"], base)
        for name, text in self.services.items():
            (self.folder / "services" / f"{name}.yaml").write_text(json.dumps(text, indent=1))
            (self.folder / "secrets" / name).write_text(f"key-of-{name}\n")
        for name, text in self.pipelines.items():
            (folder / f"{name}.yaml").write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
        for name, text in self.secrets.items():
            (self.folder / "secrets" / name).write_text(text + "\n")

    @staticmethod
    def shipped(what):
        from night import ROOT
        return ROOT / "etc" / what

    def run(self, n, campaign="demo", start=0, **more):
        return self.post("/v1/runs", {"campaign": campaign, "upload": self.upload(people(n, start)), **more})["run"]

    def service(self, name):
        return self.get(f"/v1/services/{name}")

    def reload(self):
        return self.post("/v1/reload")

    def change(self, file, old, new):
        """In a file of the night's folder."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} does not say {old!r}"
        path.write_text(text.replace(old, new, 1))


def good_world():
    """Everybody has a mailbox, every text is right, every answer quick."""
    world = calm()
    world["zerobounce"]["verdicts"] = {
        k: "0%" for k in ("invalid", "catch-all", "unknown", "do_not_mail", "spamtrap", "abuse")}
    world["openai"]["copy"] = {k: "0%" for k in ("short", "long", "signed", "placeholder", "refused")}
    return world


def shipped_vars():
    return {"instantly_campaign": CAMPAIGN, "offer": "We automate small jobs."}


def wait(check, seconds=30, what="it"):
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)
