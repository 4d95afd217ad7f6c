"""The folders of ended runs: removed when they are old, and only then; run.log never grows without end."""

import os
import time

from flow_kit import FlowNight, Stub, one_stage, people, service, wait


def demo(**more):
    return {"pipelines": {"ask": one_stage("ask", "stub.ask")}, "campaigns": {"demo": {"pipeline": "ask"}}, "with_sim": False,
            "factor": 1, **more}


def folders(night):
    return sorted(os.listdir(night.folder / "state" / "runs"))


def test_old_results():
    """Old folders go at a start and at a reload; young ones, those of runs at work and what is no run's stay; the leads do too."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, settings={"results": {"keep": "30d"}}, **demo()) as night:
        first = night.start_run(people(3))
        night.wait_end(first, 30)
        assert night.leadctl("service", "pause", "stub")[1] == 0
        at_work = night.start_run(people(4, 10))
        (night.folder / "state" / "runs" / "notes").mkdir()
        (night.folder / "state" / "runs" / str(at_work)).mkdir()
        (night.folder / "state" / "runs" / "77").mkdir()
        night.stop()
        night.start()
        assert night.get(f"/v1/runs/{first}")["results"] == f"runs/{first}"
        assert folders(night) == sorted(["1", "2", "77", "notes"])
        night.change("leadd.yaml", '"30d"', '"1s"')
        wait(lambda: not night.reload()["changes"] and folders(night) == ["2", "77", "notes"])
        assert night.get(f"/v1/runs/{first}")["results"] is None
        assert [lead["outcome"] for lead in night.export(first)] == ["ready"] * 3
        assert night.leadctl("store", "check")[1] == 0
        assert "results of 1 runs were old" in night.log()
        assert night.leadctl("service", "resume", "stub")[1] == 0
        night.wait_for(at_work, lambda r: r["state"] == "done", 30)
        wait(lambda: night.reload() and folders(night) == ["77", "notes"])


def test_a_month_later():
    """As shipped: a run's folder is there for 30 days, and gone at the next start or look of the day after them."""
    day = 86400
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
        night.wait_end(night.start_run(people(3)), 30)
        night.stop()
        night.start_later(30 * day - 60)
        assert folders(night) == ["1"]
        night.kill()
        night.start_later(30 * day + 60)
        wait(lambda: folders(night) == [])
        assert night.get("/v1/runs/1")["results"] is None and len(night.export(1)) == 3


def test_old_uploads():
    """What was sent is removed a day later: that of ended runs, what was refused, and what was never whole. A list that is still being read stays,
    and one that is used."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
        spool = night.folder / "state" / "uploads"
        run = night.start_run(people(3))
        night.wait_end(run, 30)
        night.post("/v1/uploads", {"name": "people.csv"})
        part = night.upload(b"PK\3\4 is no workbook", "people.xlsx")
        assert night.get(f"/v1/runs/{run}")["source"] == "people.csv"
        night.kill()
        for file in spool.iterdir():
            os.utime(file, (time.time() - 2 * 86400,) * 2)
        night.start()
        young = night.upload(people(2))
        wait(lambda: os.listdir(spool) == [young])
        assert "2 uploads were old" in night.log()
        idle = night.upload(people(2))
        for name in young, idle:
            os.utime(spool / name, (time.time() - 2 * 86400,) * 2)
        night.wait_end(night.post("/v1/runs", {"campaign": "demo", "upload": young})["run"], 30) # somebody needs it today
        night.reload()
        wait(lambda: "1 uploads were old" in night.log())
        assert os.listdir(spool) == [young]
        assert len(night.export(run)) == 3 and night.get(f"/v1/uploads/{part}")["offset"] == 0
        assert night.leadctl("store", "check")[1] == 0


def test_reload_tells():
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, settings={"results": {"keep": "30d"}}, **demo()) as night:
        night.change("leadd.yaml", '"keep": "30d"', '"keep": "7d", "log": 2')
        changes = night.reload()["changes"]
        assert any(c.startswith("results: keep ") for c in changes) and any(c.startswith("results: log 64 -> 2") for c in changes), changes


def test_formats():
    """As the settings say, or the campaign; a run that ends again after a change has no file that is not wanted any more."""
    campaigns = {"demo": {"pipeline": "ask"}, "other": {"pipeline": "ask", "formats": ["jsonl", "xlsx"]}}
    files = {"services": {"stub": service("stub", stub := Stub())}, "settings": {"results": {"formats": ["csv", "jsonl"]}}}
    with stub, FlowNight(**files, **demo(campaigns=campaigns)) as night:
        def contacts(run):
            night.wait_end(run, 30)
            return sorted(f.name for f in (night.folder / "state" / "runs" / str(run)).iterdir() if f.name.startswith("contacts"))

        assert contacts(night.start_run(people(3))) == ["contacts.csv", "contacts.jsonl"]
        stub.answer = lambda asked: (404, {}, {})
        other = night.start_run(people(3), campaign="other")
        assert contacts(other) == ["contacts.jsonl", "contacts.xlsx"]
        night.change("leadd.yaml", '"xlsx"', '"xslx"')
        out, rc = night.leadctl("reload")
        assert rc != 0 and "'xslx' is none of csv, xlsx, jsonl, did you mean 'xlsx'?" in out, out
        night.change("leadd.yaml", '"xslx"', '"csv"')
        night.reload()
        stub.answer = lambda asked: (200, {}, {"text": "good"})
        assert night.post(f"/v1/runs/{other}/retry", {"outcome": ["failed", "rejected"]})["retried"] == 3
        night.wait_for(other, lambda r: r["outcomes"]["ready"] == 3, 30)
        assert contacts(other) == ["contacts.csv", "contacts.jsonl"]


def test_log_rotates():
    """40,000 refused rows are more than 2 MiB of run.log: its end is kept, with one older piece, each within the limit."""
    n = 40000
    data = ("email\n" + "".join(f"nobody number {i}\n" for i in range(n))).encode()
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, settings={"results": {"log": 1}}, **demo()) as night:
        run = night.start_run(data)
        night.wait_end(run, 120)
        folder = night.folder / "state" / "runs" / str(run)
        log, older = (folder / "run.log").read_text(), (folder / "run.log.1").read_text()
        assert 0 < len(log) <= 1 << 20 and 1 << 19 < len(older) <= 1 << 20
        lines = (older + log).splitlines()
        assert lines[-1] == f"intake run={run} lead={n} row={n + 1} rejected email-malformed"
        assert len(set(lines)) == len(lines), "a line is there twice"
        print(f"run.log {len(log)} bytes, run.log.1 {len(older)} bytes; {len(lines)} of {n} lines")
        assert sorted(os.listdir(folder)) == ["contacts.csv", "metrics.json", "rejects.csv", "run.log", "run.log.1", "summary.txt"]
