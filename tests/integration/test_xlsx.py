"""Workbooks: in by leadctl and by HTTP, out again, and what is refused."""

import contextlib
import csv
import datetime
import io
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import zipfile
from pathlib import Path

import openpyxl
import pytest

from flow_kit import FlowNight, Stub, letters, one_stage, people, service, wait
from night import PART, ROOT, Refused

BOOKS = ROOT / "tests" / "data" / "xlsx"


class BookNight(FlowNight):
    """One stage that always succeeds."""

    def __init__(self, stub):
        super().__init__(services={"ask": service("ask", stub)}, pipelines={"one": one_stage("one", "ask.ask")},
                         campaigns={"demo": {"pipeline": "one", "budget": 100}}, with_sim=False)

    def write_settings(self):
        super().write_settings()
        settings = json.loads((self.folder / "leadd.yaml").read_text())
        settings.pop("services", None)
        (self.folder / "leadd.yaml").write_text(json.dumps(settings))

    def book(self, run):
        """Rows of the export as openpyxl reads them."""
        data = self.request("GET", f"/v1/runs/{run}/export?format=xlsx")
        sheet = openpyxl.load_workbook(io.BytesIO(data)).active
        return sheet, [[c.value for c in row] for row in sheet.iter_rows()]


@pytest.fixture(scope="module")
def night():
    with Stub() as stub, BookNight(stub) as n:
        yield n


def book_of(rows, title="Leads"):
    """The bytes of a workbook; None is no cell. Texts stay texts, whatever they begin with."""
    book = openpyxl.Workbook()
    book.active.title = title
    for r, row in enumerate(rows, 1):
        for c, value in enumerate(row, 1):
            if value is not None:
                cell = book.active.cell(r, c, value)
                if isinstance(value, str):
                    cell.data_type = "s"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def book_of_people(n, extra=()):
    rows = list(csv.reader(io.StringIO(people(n).decode())))
    return [row + list(extra[i] if i < len(extra) else []) for i, row in enumerate(rows)]


def fields(night, run):
    return {line["row"]: line["fields"] for line in night.export(run)}


def refused(night, data):
    with pytest.raises(Refused) as e:
        night.start_run(data)
    return e.value.status, json.loads(e.value.body)


def test_through_leadctl_and_back(night):
    file = night.folder / "people.xlsx"
    shutil.copy(BOOKS / "people-100.libreoffice.xlsx", file)
    out, rc = night.leadctl("--json", "run", "start", str(file), "--campaign", "demo")
    assert rc == 0, out
    run = json.loads(out)["run"]
    night.wait_end(run)
    with open(ROOT / "tests" / "data" / "leads" / "people-100.csv", "rb") as f:
        same = night.start_run(f.read())
    ended = night.wait_end(same)
    assert night.wait_end(run)["total"] == ended["total"] == 100
    found = {line["row"]: (line["outcome"], line["fields"]) for line in night.export(run)}
    wanted = {line["row"]: (line["outcome"], line["fields"]) for line in night.export(same)}
    # the second run meets the same people again, in a run of its own: nothing is a duplicate
    assert found == wanted
    result = night.folder / "results.xlsx"
    out, rc = night.leadctl("run", "export", str(run), "--format", "xlsx", "--output", str(result))
    assert rc == 0, out
    rows = list(openpyxl.load_workbook(result).active.iter_rows(values_only=True))
    lines = night.export(run)
    assert len(rows) == len(lines) + 1
    for row, line in zip(rows[1:], lines):
        assert row[0] == line["lead"] and row[1] == line["outcome"] and row[2] == line["reason"]
        assert row[3] == pytest.approx(line["spent_micro"] / 1e6, abs=1e-9)
        for name, value in zip(rows[0][4:], row[4:]):
            assert (value or "") == str(line["fields"].get(name) or ""), (name, line)


def test_values_as_they_are_seen(night):
    rows = book_of_people(3, [["born", "zip", "size", "vip", "at", "note"], [
        datetime.date(1980, 2, 29), 2134, 1234567890123, True, datetime.datetime(2026, 11, 28, 7, 0, 5), "=1+1"],
        [None, "02134", 0.1 + 0.2, False, datetime.time(6, 30), "+49 30 1"], ["x", 3, 1e-7, None, None, "@a;b\r\nc \u20ac"]])
    run = night.start_run(book_of(rows))
    night.wait_end(run)
    found = fields(night, run)
    assert [found[2].get(n) for n in ("born", "zip", "size", "vip", "at", "note")] == [
        "1980-02-29", "2134", "1234567890123", "TRUE", "2026-11-28T07:00:05", "=1+1"]
    assert [found[3].get(n) for n in ("zip", "size", "vip", "at", "note")] == [
        "02134", "0.3", "FALSE", "06:30:00", "+49 30 1"]
    assert found[4]["note"] == "@a;b\r\nc \u20ac"
    sheet, out = night.book(run)
    at = out[0].index("note") + 1
    cells = [sheet.cell(r, at) for r in (2, 3, 4)]
    assert cells[2].value == "@a;b\nc \u20ac"
    assert [c.data_type for c in cells] == ["s"] * 3
    assert cells[0].value == "=1+1" and cells[1].value == "+49 30 1"
    assert [sheet.cell(r, out[0].index("zip") + 1).value for r in (2, 3)] == ["2134", "02134"]
    assert sheet.freeze_panes == "A2" and sheet.cell(1, 1).font.b and not sheet.cell(2, 1).font.b
    assert all(8 <= d.width <= 61 for d in sheet.column_dimensions.values())


def test_rows_keep_their_numbers(night):
    rows = book_of_people(2)
    rows = [rows[0], rows[1], [None], [None], rows[2], [None]]
    run = night.start_run(book_of(rows))
    assert night.wait_end(run)["total"] == 4
    found = fields(night, run)
    assert found[2]["last_name"] == letters(0) and found[5]["last_name"] == letters(1)
    rejects = list(csv.DictReader(io.StringIO(night.request("GET", f"/v1/runs/{run}/rejects").decode())))
    assert [r["row"] for r in rejects] == ["3", "4"]


def test_a_list_that_cannot_be_read_says_why(night):
    """A title above the header: the run fails, and whoever looks at it or waits for it is told what to do."""
    file = night.folder / "titled.xlsx"
    file.write_bytes(book_of([["People of 2026"], [], *book_of_people(2)]))
    out, rc = night.leadctl("run", "start", str(file), "--campaign", "demo", "--watch")
    assert rc == 6 and "is the first line the header? Columns can be named: --map email=Header" in out, out
    run = re.search(r"run (\d+)", out)[1]
    assert "\nbecause  " in night.leadctl("run", "show", run)[0]


def test_cells_under_no_header_are_told(night):
    """They have no name to be exported under: left out, but not in silence."""
    rows = book_of_people(3)
    rows[2] += ["x", None, "y"]
    rows[3] += [None, "z"]
    for data in (book_of(rows), "\n".join(",".join(c or "" for c in row) for row in rows).encode()):
        run = night.start_run(data)
        notes = night.wait_end(run)["notes"]
        assert [(n["kind"], n["who"]) for n in notes] == [("cells-left-out", "intake")]
        assert notes[0]["what"] == "2 rows have something under no header, first row 3: it is left out" and notes[0]["amount_micro"] is None
        assert "cells-left-out" in night.leadctl("run", "show", str(run))[0]
    run = night.start_run(b"email,first_name\nann@example.com,Ann,,,\n")
    assert night.wait_end(run)["notes"] == []


def test_the_header_decides_nothing_about_delimiters(night):
    rows = book_of_people(1, [["a;b;c;d;e;f;g|h;i"], ["v"]])
    run = night.start_run(book_of(rows))
    night.wait_end(run)
    assert fields(night, run)[2]["a;b;c;d;e;f;g|h;i"] == "v"


def test_the_first_sheet_to_see(night):
    book = openpyxl.load_workbook(io.BytesIO(book_of(book_of_people(2))))
    hidden = book.create_sheet("old", 0)
    hidden["A1"] = "nothing"
    hidden.sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    run = night.start_run(out.getvalue())
    assert night.wait_end(run)["total"] == 2


def test_the_sheet_that_is_wanted(night):
    book = openpyxl.load_workbook(io.BytesIO(book_of(book_of_people(2))))
    for title, n in (("People", 4), ("2", 6)):
        sheet = book.create_sheet(title)
        for row in book_of_people(n):
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    file = night.folder / "sheets.xlsx"
    file.write_bytes(out.getvalue())
    for sheet, n in (("People", 4), ("3", 6), ("2", 6), ("1", 2)):  # a name goes before a number
        text, rc = night.leadctl("--json", "run", "start", str(file), "--campaign", "demo", "--sheet", sheet)
        assert rc == 0, text
        assert night.wait_end(json.loads(text)["run"])["total"] == n, sheet
    text, rc = night.leadctl("run", "start", str(file), "--campaign", "demo", "--sheet", "Persons")
    assert rc != 0 and "there is no sheet 'Persons', only Leads, People, 2" in text
    upload = night.upload(out.getvalue())
    plan = {"campaign": "demo", "upload": upload, "sheet": "People"}
    assert night.post("/v1/runs", plan)["run"]
    assert night.post("/v1/runs", plan)["run"]
    with pytest.raises(Refused) as e:
        night.post("/v1/runs", plan | {"sheet": "2"})
    assert e.value.status == 409 and json.loads(e.value.body)["code"] == "other-sheet"
    with pytest.raises(Refused) as e:
        night.post("/v1/runs", {"campaign": "demo", "upload": night.upload(people(2)), "sheet": "2"})
    assert e.value.status == 400 and "a CSV file has no sheets" in e.value.body


def test_names_that_promise_something_else(night):
    for name, data, words in (("people.xlsx", b"<html><table><tr><td>email", "a web page"), ("people.csv", b"<!DOCTYPE html>", "a web page"),
                              ("people.xlsx", people(2), "a CSV file is named .csv"), ("people.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "old workbook"),
                              ("people.csv", zip_of({"a.csv": "email"}), "an archive, but no workbook")):
        upload = night.post("/v1/uploads", {"name": name, "size": len(data)})["upload"]
        night.request("PUT", f"/v1/uploads/{upload}?offset=0", data)
        with pytest.raises(Refused) as e:
            night.post("/v1/runs", {"campaign": "demo", "upload": upload})
        assert e.value.status in (415, 422) and words in e.value.body, (name, e.value.body)


def test_a_plan_over_a_workbook(night):
    upload = night.upload(book_of(book_of_people(5)))
    plan = night.post("/v1/plans", {"campaign": "demo", "upload": upload})
    assert plan["leads"]["rows"] == 5, plan
    assert not list((night.folder / "state" / "uploads").glob(f"{upload}*")), "the plan's upload is left"


def test_results_as_a_list_again(night):
    """No column is there twice, however often they go round; a file gets the format of its name."""
    file, run = night.folder / "round.xlsx", night.start_run(book_of(book_of_people(2)))
    for _ in range(3):
        night.wait_end(run)
        assert night.leadctl("run", "export", str(run), "-o", str(file))[1] == 0
        header, *rows = openpyxl.load_workbook(file).active.iter_rows(values_only=True)
        assert len(set(header)) == len(header), header
        assert [dict(zip(header, row))["outcome"] for row in rows] == ["ready"] * 2
        run = night.start_run(file.read_bytes())
    assert header[:4] == ("lead", "outcome", "reason", "spent") and header[4:8] == ("lead_3", "outcome_3", "reason_3", "spent_3"), header
    night.wait_end(run)
    assert night.leadctl("run", "export", str(run), "-o", str(file.with_suffix(".jsonl")))[1] == 0
    assert json.loads(file.with_suffix(".jsonl").read_text().splitlines()[0])["outcome"]
    out, rc = night.leadctl("run", "export", str(run), "--format", "csv", "-o", str(file))
    assert rc == 2 and "--format csv" in out, out


def test_the_same_start_again(night):
    upload = night.upload(book_of(book_of_people(2)))
    body, key = {"campaign": "demo", "upload": upload}, {"Idempotency-Key": "book"}
    first = night.post("/v1/runs", body, key)["run"]
    assert night.post("/v1/runs", body, key)["run"] == first


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            z.writestr(name, data)
    return out.getvalue()


def changed(data, name, text):
    """The workbook with another content of one part."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return zip_of({n: text if n == name else z.read(n) for n in z.namelist()})


def test_refusals_say_what_is_right(night):
    book = book_of(book_of_people(2))
    status, problem = refused(night, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    assert status == 415 and problem["code"] == "unknown-file" and ".xls" in problem["detail"]
    status, problem = refused(night, b"%PDF-1.7 and so on")
    assert status == 415 and "neither CSV nor a workbook" in problem["detail"]
    status, problem = refused(night, zip_of({"mimetype": "x", "META-INF/manifest.xml": "<a/>"}))
    assert status == 422 and ".ods" in problem["detail"]
    sheet = "xl/worksheets/sheet1.xml"
    for data, words in ((zip_of({"a.txt": "hello"}), "an archive, but no workbook"), (book[:2000], "cannot be opened"),
                        (changed(book, sheet, "<worksheet><sheetData><row"), "sheet: line 1"),
                        (changed(book, sheet, "<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet/>"), "document type"),
                        (changed(book, sheet, "<worksheet/>"), "is empty"),
                        (changed(book, sheet, "<a>" * 100), "in each other"),
                        (changed(book, sheet, b"<worksheet><sheetData>" + b" " * (65 << 20)), "unpacks to more than 200 times its size"),
                        (changed(book, "xl/workbook.xml", b"<workbook>" + b" " * (17 << 20)), "unpacks to more than 16 MiB")):
        status, problem = refused(night, data)
        assert status == 422 and problem["code"] == "bad-workbook" and words in problem["detail"], problem
    status, problem = refused(night, b"PK\3\4" + b"\0" * (50 * PART))
    assert status == 413 and problem["code"] == "workbook-too-large"
    assert not list((night.folder / "state" / "uploads").glob("*.new"))
    run = night.start_run(book)
    night.wait_end(run)


def test_a_workbook_is_too_large_from_the_start(night):
    """It is refused before its first byte is sent, and so is what grows beyond the announced."""
    for name in ("people.xlsx", "PEOPLE.XLSM"):
        with pytest.raises(Refused) as e:
            night.post("/v1/uploads", {"name": name, "size": 50 * PART + 1})
        assert e.value.status == 413 and "at most 50 MiB" in e.value.body
    upload = night.post("/v1/uploads", {"name": "people.xlsx"})["upload"]
    night.request("PUT", f"/v1/uploads/{upload}?offset=0", b"PK\3\4")
    (night.folder / "state" / "uploads" / upload).write_bytes(b"PK\3\4" + bytes(50 * PART - 4))
    with pytest.raises(Refused) as e:
        night.request("PUT", f"/v1/uploads/{upload}?offset={50 * PART}", b"x")
    assert e.value.status == 413 and "at most 50 MiB" in e.value.body
    file = night.folder / "large.xlsx"
    with open(file, "wb") as f:
        f.truncate(50 * PART + 1)
    out, rc = night.leadctl("run", "start", str(file), "--campaign", "demo")
    file.unlink()
    assert rc == 1 and "workbook-too-large" in out, out


def slow_book():
    """A moment of work, mostly for nothing."""
    book = book_of(book_of_people(2))
    with zipfile.ZipFile(io.BytesIO(book)) as z:
        sheet = z.read("xl/worksheets/sheet1.xml")
    return changed(book, "xl/worksheets/sheet1.xml", sheet.replace(b"<sheetData>", b"<sheetData>" + b" " * (16 << 20)))


def test_more_workbooks_than_are_read_at_once(night):
    """Seven people load theirs at the same moment: who is not among the first four waits, and nobody is turned away."""
    book = slow_book()
    uploads = [night.upload(book, "people.xlsx") for _ in range(7)]
    started = []

    def start(upload):
        try:
            started.append(night.post("/v1/runs", {"campaign": "demo", "upload": upload, "limit": 1})["run"])
        except Refused as e:
            started.append(e.body)

    threads = [threading.Thread(target=start, args=(u,)) for u in uploads]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(isinstance(s, int) for s in started), started


def test_more_downloads_than_are_made_at_once(night):
    """Six clients ask for a workbook and take nothing of it; whoever comes then has his all the same."""
    rows = [["email", "first_name", "note"]] + [[f"ann@{letters(i).lower()}.com", "Ann", random.Random(i).randbytes(5000).hex()] for i in range(100)]
    run = night.start_run("\n".join(",".join(row) for row in rows).encode())
    night.wait_end(run)
    made = []
    maker = threading.Thread(target=lambda: made.append(night.book(run)[1]))
    maker.start()
    writer = int(wait(lambda: Path(f"/proc/{night.leadd.pid}/task/{night.leadd.pid}/children").read_text().split(), 10, "the child")[0])
    with contextlib.suppress(ProcessLookupError):  # a quick one has ended already
        os.kill(writer, signal.SIGKILL)
    maker.join()
    assert len(made[0]) == 101, "a killed writer is not given a second try"
    idle = []
    for _ in range(6):
        s = socket.socket(socket.AF_UNIX)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(str(night.folder / "leadd.sock"))
        s.sendall(f"GET /v1/runs/{run}/export?format=xlsx HTTP/1.1\r\nHost: leadd\r\n\r\n".encode())
        idle.append(s)
    heads = [s.recv(20) for s in idle]
    assert all(head.startswith(b"HTTP/1.1 200") for head in heads), heads
    assert len(night.book(run)[1]) == 101
    [s.close() for s in idle]


def test_nobody_reads_on_for_a_daemon_that_is_gone(night):
    """A child that outlived its daemon would write into what the next daemon's child writes."""
    upload = night.upload(slow_book(), "people.xlsx")
    thread = threading.Thread(target=lambda: pytest.raises((ConnectionError, OSError), night.post, "/v1/runs", {"campaign": "demo", "upload": upload}))
    thread.start()
    child = int(wait(lambda: Path(f"/proc/{night.leadd.pid}/task/{night.leadd.pid}/children").read_text().split(), 10, "the child")[0])
    wait(lambda: locked_in(child), 10, "the filter")
    os.kill(child, signal.SIGSTOP)
    night.kill()
    thread.join()
    wait(lambda: not Path(f"/proc/{child}").exists() or "\nState:\tZ" in Path(f"/proc/{child}/status").read_text(), 10, "its end")
    night.start()
    run = night.post("/v1/runs", {"campaign": "demo", "upload": upload, "limit": 1})["run"]
    night.wait_end(run)


def test_a_bomb_ends_in_time(night):
    """A text of one MiB that every cell refers to."""
    book = book_of(book_of_people(2))
    cells = "".join(f'<row r="{r}"><c r="A{r}" t="s"><v>0</v></c></row>' for r in range(1, 20001))
    sheet = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>'
    with zipfile.ZipFile(io.BytesIO(book)) as z:
        files = {n: z.read(n) for n in z.namelist()}
    files["xl/worksheets/sheet1.xml"] = sheet
    files["xl/sharedStrings.xml"] = "<sst><si><t>" + "x" * 1000000 + "</t></si></sst>"
    rels = files["xl/_rels/workbook.xml.rels"].decode()
    if "sharedStrings" not in rels:
        files["xl/_rels/workbook.xml.rels"] = rels.replace(
            "</Relationships>", '<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
            'relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>')
    status, problem = refused(night, zip_of(files))
    assert status == 422 and "more than 200 times the text of its file" in problem["detail"]


def test_the_child_is_locked_in(night):
    """It stands still at a full pipe in the middle of its work: what the kernel says of it then."""
    file = night.folder / "many.xlsx"
    file.write_bytes(book_of([["x" * 1000] * 10] * 100))
    with open(file, "rb") as book:
        child = subprocess.Popen(["/bin/sh", "-c", 'exec "$0" --xlsx-to-csv 3<&0 4>&1 </dev/null', os.environ["LEADD"]],
                                 stdin=book, stdout=subprocess.PIPE)
    try:
        status = wait(lambda: locked_in(child.pid), 10, "the filter")
        assert "\nNoNewPrivs:\t1\n" in status
        with open(f"/proc/{child.pid}/limits") as limits:
            bounds = {line[:26].strip(): line.split()[-3] for line in limits if not line.startswith("Limit")}
        assert bounds["Max open files"] == bounds["Max processes"] == "0" and bounds["Max cpu time"] == "100"
        assert len(child.stdout.read()) > 900000
        assert child.wait(10) == 0
    finally:
        child.stdout.close()
        if child.poll() is None:
            child.kill()
            child.wait()


def locked_in(pid):
    with open(f"/proc/{pid}/status") as f:
        text = f.read()
    return text if "\nSeccomp:\t2\n" in text else None


def test_no_such_run(night):
    with pytest.raises(Refused) as e:
        night.request("GET", "/v1/runs/4000/export?format=xlsx")
    assert e.value.status == 404
