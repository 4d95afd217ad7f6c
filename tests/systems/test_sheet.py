"""System C: a spreadsheet becomes e-mails. SHEET=18000 takes that many rows and prints time and memory; BOOK=20000 measures a workbook of
20,000 rows and 30 columns both ways."""

import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import openpyxl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight, Stub, people, wait  # noqa: E402
from night import ROOT, Night, Refused, calm  # noqa: E402

ROWS = int(os.environ.get("SHEET", "300"))
OPENAI = (ROOT / "etc" / "services" / "openai.yaml").read_text()
NOTES = ["=1+1", "+49 30 1234", "@home", "-5", "a;b,c\t\"d\"", "two\nlines", "Grüße, Žofie 漢字 🙂", "  blanks  ", "00123", "x" * 300, "",
         "a_x000B_b_x0007_c\ufffdd"]


class SheetNight(Night):
    """The shipped pipeline; edit: of openai.yaml; openai: of leadsim's scenario."""

    def __init__(self, factor=60, edit=(), openai=None, campaign=None, sim_factor=None, secrets=None):
        world = calm()
        world["openai"] = {**world["openai"], **(openai or {})}
        super().__init__(scenario={"services": world}, factor=factor, edit={"openai": list(edit)})
        self.own = {"pipeline": "sheet-to-email", "budget": 1000, "vars": {"offer": "We help."}, "formats": ["csv", "xlsx", "jsonl"],
                    **(campaign or {})}
        self.secrets = secrets or {}

    def write_settings(self):
        self.settings = {"campaigns": {"mails": self.own}}
        super().write_settings()
        for name, text in self.secrets.items():
            (self.folder / "secrets" / name).write_text(text)

    def start_run(self, data, **more):
        return super().start_run(data, campaign="mails", **more)

    def answered(self, kind):
        return self.report()["services"]["openai"]["answers"].get(kind, 0)

    def audit(self):
        found = [a for a in self.get("/v1/limits/audit")["items"] if a["service"] == "openai"]
        assert all(a["ok"] for a in found), found
        return found


def sheet_of(n):
    """Header and rows as a person would have them: a note that looks like anything, and columns nobody knows."""
    rows = list(csv.reader(io.StringIO(people(n).decode())))
    return [rows[0] + ["Note", "Phone No."]] + [row + [NOTES[i % len(NOTES)], f"0{i:09d}"] for i, row in enumerate(rows[1:])]


def write_book(path, rows, title="People"):
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet("About").append(["this sheet is not the one"])
    sheet = book.create_sheet(title)
    for row in rows:
        cells = []
        for value in row:
            cell = openpyxl.cell.WriteOnlyCell(sheet, value or None)
            if value:
                cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    book.save(path)


def read_book(data):
    """Rows of a workbook as dicts; None is nothing."""
    sheet = openpyxl.load_workbook(io.BytesIO(data), read_only=True).active
    rows = sheet.iter_rows(values_only=True)
    header = next(rows)
    return [dict(zip(header, row)) for row in rows]


class Peak(threading.Thread):
    """The most memory that a daemon and its children had, in MiB, by what they do."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.most = {}
        self.stop = threading.Event()
        self.start()

    def look(self, pid, name):
        with open(f"/proc/{pid}/status") as f:
            kib = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])
        self.most[name] = max(self.most.get(name, 0), kib / 1024)

    def run(self):
        while not self.stop.wait(0.02):
            try:
                self.look(self.pid, "leadd")
                with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
                    children = f.read().split()
                for child in children:
                    with open(f"/proc/{child}/cmdline") as f:
                        self.look(child, f.read().split("\0")[1])
            except (OSError, TypeError, IndexError):
                continue

    def end(self):
        self.stop.set()
        self.join()
        return {name: round(mib, 1) for name, mib in self.most.items()}


def test_a_sheet_becomes_mails():
    """Whole: a workbook in, leadd killed in the middle, the same rows out as a workbook with a mail in each."""
    rows = sheet_of(ROWS)
    with SheetNight(factor=60 if ROWS < 1000 else 1200) as night:
        file = night.folder / "people.xlsx"
        write_book(file, rows)
        begun = time.monotonic()
        out, rc = night.leadctl("--json", "run", "start", str(file), "--campaign", "mails", "--sheet", "People", "--sample", "20")
        assert rc == 0, out
        run = json.loads(out)["run"]
        check_sample(night, run)
        night.wait_for(run, lambda r: r["outcomes"]["ready"] >= ROWS // 3)
        partial = read_book(night.request("GET", f"/v1/runs/{run}/export?format=xlsx"))
        assert len(partial) == ROWS and ROWS // 3 <= sum(1 for p in partial if p["email_text"]) < ROWS
        night.kill()
        night.start()
        peak = Peak(night.leadd.pid)
        end = night.wait_end(run, 3600)
        took = time.monotonic() - begun
        assert end["outcomes"]["ready"] == ROWS, end["outcomes"]
        data = night.request("GET", f"/v1/runs/{run}/export?format=xlsx", timeout=600)
        out = read_book(data)
        check_rows(rows, out)
        ledger = night.ledger(run)
        check_bill(night, ledger, end)
        check_folder(night, run, rows, out)
        check_prompts(end, out)
        worst = max(a["worst"] / a["max"] for a in night.audit())
        if ROWS >= 1000:
            print(f"\n{ROWS} rows, {len(ledger)} calls, {took:.1f} s, workbook {len(data) >> 10} KiB, worst window {worst:.2f} of its limit, "
                  f"memory in MiB {peak.end()}")
        check_libreoffice(night, data)
        peak.end()


def check_sample(night, run):
    """Twenty mails to look at and nothing beyond them, until somebody says that they are good; a crash says nothing."""
    for _ in range(2):
        shown = night.wait_for(run, lambda r: r["state"] == "waiting-approval" and not r["importing"])
        assert shown["outcomes"]["ready"] == 20 and shown["open"] == ROWS - 20 and shown["task"] == "pending", shown
        assert shown["forecast"] is None and shown["eta"] is None  # nobody knows when that person comes
        assert shown["approval"]["at"] == ["sample"] and shown["approval"]["leads"] == ROWS - 20
        mails = [line["lead"] for line in night.export(run) if line["fields"].get("email_text")]
        assert mails == list(range(1, 21)), mails
        night.kill()
        night.start()
    out, rc = night.leadctl("run", "approve", str(run))
    assert rc == 0, out


def check_rows(rows, out):
    """What came in stands there again, equal; formulas are texts; and each row has its own mail."""
    assert len(out) == len(rows) - 1
    for row, found in zip(rows[1:], out):
        for name, value in zip(rows[0], row):
            value = value.strip().replace("_x000B_", "\n").replace("_x0007_", "\ufffd")  # no XML holds them, and openpyxl undoes no escape
            assert (found[name] or "") == value, (name, value, found[name])
        assert found["outcome"] == "ready" and 50 <= len(found["email_text"].split()) <= 70
        assert f"Hi {row[0]}," in found["email_text"]
        assert found["email_prompt"] == "inline" if found["email_model"] == "template" else "+first-mail@1." in found["email_prompt"]


def check_bill(night, ledger, end):
    """The provider's bill against the ledger, line by line; nothing asked twice but what the crash left in doubt."""
    report = night.report()
    own = {**report, "bills": [b for b in report["bills"] if b["service"] == "openai"]} if "service" in report["bills"][0] else report
    settled, billed, in_doubt = proof.bill(ledger, own)
    assert (settled, in_doubt) == (end["settled_micro"], end["in_doubt_micro"]), (settled, billed, in_doubt)
    again = [pair for pair in proof.repeats(ledger, report) if pair[0]["state"] != "in-doubt"]
    assert not again, again
    proof.windows(night, report)


def check_folder(night, run, rows, out):
    folder = night.folder / "state" / "runs" / str(run)
    book = read_book((folder / "contacts.xlsx").read_bytes())
    assert book == out
    with open(folder / "contacts.csv", newline="") as f:
        text = list(csv.DictReader(f))
    lines = [json.loads(line)["fields"] for line in (folder / "contacts.jsonl").read_text().splitlines()]
    assert len(text) == len(lines) == len(rows) - 1
    for a, b, c in zip(out, text, lines):
        assert a["email_text"] == b["email_text"] == c["email_text"] and a["Phone No."] == b["Phone No."] == c["Phone No."]
    assert any(t["Note"].startswith("'=") for t in text)  # a spreadsheet that opens the CSV runs nothing
    assert not list((night.folder / "state" / "uploads").glob(".export-*"))


def check_prompts(end, out):
    counted = {p["prompt"]: p for p in end["stages"][0]["prompts"]}
    passed = {}
    for row in out:
        passed[row["email_prompt"]] = passed.get(row["email_prompt"], 0) + 1
    assert {name: p["passed"] for name, p in counted.items()} == passed
    assert all(p["written"] >= p["passed"] for p in counted.values())


def check_libreoffice(night, data):
    """Each cell as LibreOffice reads it is the cell as openpyxl reads it; the fresh home is for root and for machines without one."""
    file = night.folder / "mails.xlsx"
    file.write_bytes(data)
    home = night.folder / "office"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(night.folder), "LC_ALL": "C.UTF-8", "SAL_USE_VCLPLUGIN": "svp"}
    done = subprocess.run(["soffice", "--headless", "--norestore", f"-env:UserInstallation=file://{home}/profile", "--convert-to",
                           "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false", "--outdir", str(home), str(file)],
                          capture_output=True, text=True, timeout=600, env=environment)
    assert (home / "mails.csv").exists(), done.stdout + done.stderr
    with open(home / "mails.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for row, want in zip(rows, read_book(data), strict=True):
        assert list(row) == list(want)
        for name, value in want.items():
            same = float(row[name]) == pytest.approx(value) if isinstance(value, (int, float)) else row[name] == (value or "")
            assert same, (name, value, row[name])


# --- prompts ---


class PromptNight(FlowNight):
    """The shipped pipeline over a model that says what it was told; prompts of our own."""

    def __init__(self, stub, first):
        self.first = first
        super().__init__(campaigns={"mails": {"pipeline": "sheet-to-email", "budget": 100, "vars": {"offer": "We help."}}}, factor=600,
                         edit={"openai": [("timeout: {total: 120s}", "timeout: {total: 120s}\nbreaker: off\nconcurrency: 16\n"
                                           "retry: {transient: {attempts: 9, base: 100ms, cap: 300ms}}")]},
                         bases={"openai": stub.base}, with_sim=False)

    def write_settings(self):
        self.sim_port = 1
        super().write_settings()
        folder = self.folder / "prompts"
        folder.mkdir(exist_ok=True)
        (folder / "mail-writer.md").write_text("You write mails.\n")
        (folder / "first-mail.md").write_text(self.first)
        settings = json.loads((self.folder / "leadd.yaml").read_text())
        settings["prompts_dir"] = "prompts"
        (self.folder / "leadd.yaml").write_text(json.dumps(settings))

    def rewrite(self, text):
        (self.folder / "prompts" / "first-mail.md").write_text(text)


def parrot(asked):
    """Says the prompt's first line and enough words; every fifth time it is tired."""
    line = asked.body["messages"][1]["content"].splitlines()[0]
    time.sleep(0.01)
    if random.random() < 0.2:
        return 503, {}, {"error": {"message": "sorry"}}
    text = f"{line} " + " ".join(["word"] * 55) + "."
    return 200, {}, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "model": "gpt-4o-mini",
                     "usage": {"prompt_tokens": 30, "completion_tokens": 60}}


def test_each_mail_names_the_version_that_wrote_it():
    """Five versions in the middle of a run, with repeats and a crash: what the text says and what the column says is the same."""
    texts = [f"---\nversion: {v}\n---\nEdition {v} for ${{.first_name}}\n" for v in range(1, 6)]
    with Stub(parrot) as stub, PromptNight(stub, texts[0]) as night:
        run = night.post("/v1/runs", {"campaign": "mails", "upload": night.upload(people(300))})["run"]
        versions = {}
        for v, text in enumerate(texts, 1):
            if v > 1:
                night.post(f"/v1/runs/{run}/pause")  # what is under way ends; the machine may be slow
                night.rewrite(text)
                out, rc = night.leadctl("reload")
                assert rc == 0 and f"prompt first-mail.md: first-mail@{v - 1}." in out, out
            shown = json.loads(night.leadctl("--json", "prompt", "mails", "--run", str(run), "--row", "2")[0])
            versions[v] = shown["prompt"]
            assert shown["loaded"] and shown["request"]["body"].count(f"Edition {v} for Ann") == 1
            if v == 3:
                night.kill()
                night.start()
            if v > 1:
                night.post(f"/v1/runs/{run}/resume")
            if v < len(texts):
                wait(lambda: night.get(f"/v1/runs/{run}")["outcomes"]["ready"] >= 50 * v, 60)
        end = night.wait_end(run, 60)
        assert end["outcomes"]["ready"] == 300
        found = {}
        for line in night.export(run):
            fields = line["fields"]
            said = int(re.match(r"Edition (\d) for", fields["email_text"])[1])
            assert fields["email_prompt"] == versions[said], fields
            found[versions[said]] = found.get(versions[said], 0) + 1
        assert len(found) == 5, found
        assert {p["prompt"]: p["passed"] for p in end["stages"][0]["prompts"]} == found
        out, rc = night.leadctl("lead", "show", f"{run}/200")
        assert rc == 0 and re.search(r"email_text +email +openai +[0-9a-f]{16} .*mail-writer@[0-9a-f]{8}\+first-mail@", out), out
        lead = night.get(f"/v1/leads/{run}/200")
        assert lead["provenance"]["email"]["kind"] == "row"
        origin, fact = lead["provenance"]["email_text"], lead["timeline"][-1]
        assert [origin[k] for k in ("stage", "service", "call", "price_micro", "prompt", "at")] == [
            fact[k] for k in ("stage", "service", "call", "price_micro", "prompt", "at")]
        out, rc = night.leadctl("store", "check")
        assert rc == 0, out


def test_the_preview_is_what_is_asked():
    """Of a row of a file and of a lead, changed but not loaded, with what is missing; and nobody is called for it."""
    with Stub(lambda asked: parrot(asked) if asked.body["messages"] else None) as stub, PromptNight(stub, "Edition 1 for ${.first_name} of ${.company}\n") as night:
        file = night.folder / "people.xlsx"
        write_book(file, sheet_of(9) + [["", "", "", "", "x@example.com"]])
        args = ("--json", "prompt", "mails", "--file", str(file), "--sheet", "People", "--row")
        shown = json.loads(night.leadctl(*args, "7")[0])
        body = json.loads(shown["request"]["body"])
        assert shown["missing"] == [] and shown["refused"] is None and shown["ceiling_micro"] == 10000
        assert {h["name"]: h["value"] for h in shown["request"]["headers"]}["Authorization"] == "Bearer ***"
        assert [g["gate"] for g in shown["gates"]] == ["copy-words 50 to 70", "copy-signature", "copy-placeholder"]
        lacking = json.loads(night.leadctl(*args, "11")[0])
        assert lacking["missing"] == ["first_name"] and lacking["refused"]["reason"] == "missing-first_name"
        fixed = json.loads(night.leadctl(*args, "7", "--step", "2")[0])
        assert fixed["request"] is None and fixed["text"].startswith("Hi Frank, ") and fixed["ceiling_micro"] == 0
        for words, told in ((("7", "--stage", "emial"), "did you mean 'email'?"), (("12",), "has no row 12"), (("7", "--step", "9"), "steps 0 to 2")):
            out, rc = night.leadctl(*args, *words)
            assert rc != 0 and told in out, out
        night.rewrite("Edition 2 for ${.first_name}\n")
        changed = json.loads(night.leadctl(*args, "7")[0])
        assert not changed["loaded"] and "Edition 2 for Frank" in changed["request"]["body"]
        night.rewrite("Edition 3 for ${.first_name | }\n")
        out, rc = night.leadctl(*args, "7")
        assert rc != 0 and "first-mail.md:1:1:" in out, out
        assert not stub.asked and not list((night.folder / "state" / "uploads").iterdir())
        run = night.post("/v1/runs", {"campaign": "mails", "upload": night.upload(file.read_bytes(), "people.xlsx"), "sheet": "People"})["run"]
        night.wait_end(run)
        assert body in [a.body for a in stub.asked]
        with pytest.raises(Refused) as e:
            night.post("/v1/previews", {"campaign": "mails", "run": run, "lead": 99})
        assert e.value.status == 400


# --- keys, limits, allowances ---

GOOD = {"copy": {"short": "0%", "long": "0%", "signed": "0%", "placeholder": "0%", "refused": "0%"}}


def limits(text, window):
    return [("[60/60s, 10000/day]", text)] + [("of: 60s", f"of: {window}")] * 3


def test_keys_of_one_account_do_not_add_up():
    """Keys a and b are of one account, c has its own: each account within its limit, both used, the keys in turn."""
    keys = "keys: [{name: a, secret: a, group: team}, {name: b, secret: b, group: team}, {name: c, secret: c}]"
    with SheetNight(factor=1, edit=[("keys: [openai]", keys), *limits("[10/1s]", "1s")], openai={**GOOD, "limits": ["1000/1s"]},
                    secrets={"a": "aaa", "b": "bbb", "c": "ccc"}) as night:
        begun = time.monotonic()
        run = night.start_run(people(60))
        assert night.wait_end(run, 60)["outcomes"]["ready"] == 60
        assert time.monotonic() - begun > 2
        calls = [c["key"] for c in night.ledger(run)]
        worst = {a["key"]: a["worst"] for a in night.audit()}
        assert worst["team"] == worst["c"] == 10, worst
        assert abs(calls.count("a") - calls.count("b")) <= 4 and 20 <= calls.count("c") <= 40, calls


def test_the_day_ends_at_a_known_limit():
    """Twelve calls a day: twelve mails, and the results of now at any moment; who asks is told until when."""
    with SheetNight(factor=1, edit=limits("[1000/60s, 12/day]", "60s"), openai={**GOOD, "limits": ["1000/1s"]}) as night:
        run = night.start_run(people(20))
        night.wait_for(run, lambda r: r["outcomes"]["ready"] == 12)
        time.sleep(0.3)
        found = read_book(night.request("GET", f"/v1/runs/{run}/export?format=xlsx"))
        assert len(found) == 20 and sum(1 for row in found if row["email_text"]) == 12
        assert {row["outcome"] for row in found if not row["email_text"]} == {"open"}
        assert night.answered("ok") == len(night.ledger(run)) == 12
        out, rc = night.leadctl("why", "run", str(run))
        assert rc == 0 and "12/day" in out, out
        assert night.get(f"/v1/runs/{run}")["eta"] is not None


def test_the_day_ends_where_the_provider_says():
    """Found out by its words: the key is parked, what is there is there, and after its reset the rest is written."""
    with SheetNight(factor=60, edit=[("timeout: {total: 120s}", "timeout: {total: 120s}\nquota: {probe: 1s}")],
                    openai={**GOOD, "keys": [{"key": "key-of-openai", "quota": 30, "reset": "3s"}]}) as night:
        run = night.start_run(people(50))
        wait(lambda: night.get("/v1/services/openai")["keys"][0]["state"] == "parked", 30)
        keys = night.get("/v1/services/openai")["keys"][0]
        assert keys["cause"] == "quota" and keys["why"], keys
        night.wait_for(run, lambda r: r["outcomes"]["ready"] == 30, 30)
        assert sum(1 for row in read_book(night.request("GET", f"/v1/runs/{run}/export?format=xlsx")) if row["email_text"]) == 30
        assert night.get(f"/v1/runs/{run}")["state"] == "running"
        assert night.wait_end(run, 60)["outcomes"]["ready"] == 50
        assert 1 <= night.answered("quota") <= 64 + 10  # what was in flight, and the probes


def test_the_rate_follows_the_headers():
    """The file allows 60 a second, the account 20: after the first burst and its answers leadd keeps to what the headers say."""
    with SheetNight(factor=1, edit=limits("[60/1s]", "1s"), openai={**GOOD, "limits": ["20/1s"]}) as night:
        run = night.start_run(people(120))
        begun = time.monotonic()
        assert night.wait_end(run, 120)["outcomes"]["ready"] == 120
        took = time.monotonic() - begun
        assert night.answered("ok") == 120 and night.answered("throttle") <= 50
        assert 5 <= took < 20, took
        window = night.get("/v1/services/openai")["limits"][0]["windows"][0]
        assert window["max"] == 20, window


# --- a plain client ---


def test_curl_as_the_page_says():
    """The commands of daemon/API.md, as they stand there."""
    page = (ROOT / "daemon" / "API.md").read_text()
    script = re.search(r"## A file with curl\n.*?```\n(.*?)```", page, re.S)[1]
    with SheetNight(openai=GOOD) as night:
        rows = sheet_of(40)
        rows = [row + [random.Random(3 * i + k).randbytes(15000).hex() if i else f"Noise {k}" for k in range(3)] for i, row in enumerate(rows)]
        write_book(night.folder / "people.xlsx", rows)
        assert (night.folder / "people.xlsx").stat().st_size > 1 << 20
        script = script.replace("campaign=example", "campaign=mails").replace('{"campaign":"', '{"sheet":"People","campaign":"')
        done = subprocess.run(["sh", "-ec", script], cwd=night.folder, env={**os.environ, "LEADD_SOCKET": str(night.folder / "leadd.sock")},
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        run = json.loads(done.stdout)["run"]
        assert night.wait_end(run)["outcomes"]["ready"] == 40


@pytest.mark.skipif("BOOK" not in os.environ, reason="by hand: BOOK=20000")
def test_a_large_workbook_both_ways():
    n = int(os.environ["BOOK"])
    rows = [[f"column {c}" for c in range(30)]] + [[f"value {r} {c}" for c in range(30)] for r in range(n)]
    rows[0][:2] = ["email", "first_name"]
    for i, row in enumerate(rows[1:]):
        row[:2] = [f"ann{i}@example{i}.com", "Ann"]
    with SheetNight() as night:
        file = night.folder / "large.xlsx"
        write_book(file, rows)
        peak = Peak(night.leadd.pid)
        upload = night.upload(file.read_bytes(), "large.xlsx")
        begun = time.monotonic()
        run = night.post("/v1/runs", {"campaign": "mails", "upload": upload, "sheet": "People", "paused": True})["run"]
        read = time.monotonic() - begun
        night.wait_for(run, lambda r: r["imported"] == n)
        imported = time.monotonic() - begun
        begun = time.monotonic()
        data = night.request("GET", f"/v1/runs/{run}/export?format=xlsx", timeout=600)
        wrote = time.monotonic() - begun
        print(f"\n{n} x 30: {file.stat().st_size >> 10} KiB read in {read:.2f} s, imported after {imported:.2f} s, written in {wrote:.2f} s "
              f"({len(data) >> 10} KiB), memory in MiB {peak.end()}")
        assert len(read_book(data)) == n


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(pytest.main([__file__, "-s", *sys.argv[1:]]))
