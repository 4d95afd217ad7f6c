"""leadctl against a small stand-in for the daemon: output, exit codes, the command line."""

import json
import re
import subprocess

import pytest

from leadctl_kit import CALL, LEAD, SERVICE, STATUS, Cut, ctl, fake, lines, run, said, width  # noqa: F401 (a fixture)


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
