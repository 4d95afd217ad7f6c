"""leadctl against a small stand-in for the daemon: what takes a while: uploads, watching, bars on a terminal, exports."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time

import pytest

from leadctl_kit import LEADCTL, MIB, Cut, ctl, environment, fake, lines, run, said, width  # noqa: F401 (a fixture)


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
