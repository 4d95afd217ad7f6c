"""The control API under load: services, reloads, runs, exports, inputs, doctor, backup, one thread.

FLOW_LONG=1 plays the long forms.
"""

import collections
import csv
import io
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
from flow_kit import LONG, FlowNight, Stub, good_world, one_stage, people, service, wait
from night import Refused


def demo(**more):
    return {"pipelines": {"ask": one_stage("ask", "stub.ask", **more)}, "campaigns": {"demo": {"pipeline": "ask"}},
            "with_sim": False, "factor": 1}


def refused(night, method, path, body=None, headers=None):
    with pytest.raises(Refused) as e:
        night.request(method, path, body, headers)
    return e.value.status, json.loads(e.value.body)


# --- services ---


def test_service_pause():
    """A pause lets what is under way end, lasts through a restart, and is over with resume; reset frees what is parked."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub, limits=["20/1s"])}, **demo()) as night:
        run = night.run(60)
        wait(lambda: len(stub.times()) >= 20)
        text, rc = night.leadctl("service", "pause", "stub")
        assert rc == 0, text
        asked = len(stub.times())
        time.sleep(1.3)
        assert len(stub.times()) == asked
        text, _ = night.leadctl("why", "run", str(run))
        assert "service stub paused" in text, text
        assert [s["state"] for s in night.get("/v1/status")["services"] if s["service"] == "stub"] == ["paused"]
        night.stop()
        night.start()
        time.sleep(0.5)
        assert night.service("stub")["paused"] and len(stub.times()) == asked
        assert night.leadctl("service", "resume", "stub")[1] == 0
        assert night.wait_end(run, 30)["outcomes"]["ready"] == 60
        assert len(stub.times()) == 60


# --- reload ---


def test_reload_check():
    """?check=1 tells what would change and changes nothing; mistakes are all told, with file and line, and nothing changes."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
        night.change("services/stub.yaml", "1000/s", "20/s")
        text, rc = night.leadctl("reload", "--check")
        assert rc == 0 and "service stub: limits 1000/1s -> 20/1s" in text.replace("1000/s -> 20/s", "1000/1s -> 20/1s"), text
        assert night.get("/v1/status")["generation"] == 1
        assert night.service("stub")["limits"][0]["windows"][0]["max"] == 1000
        night.change("services/stub.yaml", '"limits"', '"limit"')
        night.change("services/stub.yaml", ".text", ".text | nonsense")
        night.change("leadd.yaml", '"allow_private"', '"allow_privat"')
        status, problem = refused(night, "POST", "/v1/reload", {})
        assert status == 422 and problem["code"] == "bad-configuration"
        told = "\n".join(problem["problems"])
        assert re.search(r"services/stub\.yaml:\d+:\d+: .*limit.*limits", told), told
        assert re.search(r"services/stub\.yaml:\d+:\d+: .*nonsense/0 is not defined", told), told
        assert re.search(r"leadd\.yaml:\d+:\d+: .*allow_privat.*allow_private", told), told
        text, rc = night.leadctl("reload")
        assert rc != 0 and "allow_privat" in text
        assert night.get("/v1/status")["generation"] == 1
        night.leadd.send_signal(signal.SIGHUP)
        wait(lambda: "not reloaded" in night.log(), 5)
        assert night.get("/v1/status")["generation"] == 1
        night.change("services/stub.yaml", '"limit"', '"limits"')
        night.change("services/stub.yaml", "nonsense", "ascii_upcase")
        night.change("leadd.yaml", '"allow_privat"', '"allow_private"')
        night.leadd.send_signal(signal.SIGHUP)
        wait(lambda: night.get("/v1/status")["generation"] == 2, 5)
        assert night.service("stub")["limits"][0]["windows"][0]["max"] == 20
        run = night.run(10)
        assert night.wait_end(run, 30)["outcomes"]["ready"] == 10
        assert "GOOD" in json.dumps(night.get(f"/v1/leads/{run}/1"))


def test_reloads_under_load():
    """20 reloads in a run, half of them with other limits: no call is cut, nothing is asked twice, the sums are leadsim's."""
    n = 1000 if LONG else 250
    scenario = {"services": good_world()}
    for s in scenario["services"].values():
        s["latency"] = {"min": "50ms", "median": "150ms", "p95": "400ms"}
    with FlowNight(scenario=scenario, factor=150, edit={"zerobounce": []}) as night:
        run = night.run(n)
        slowest = 0
        for i in range(20):
            low, high = ("[1/3s]", "[1/4s]") if i % 2 == 0 else ("[1/4s]", "[1/3s]")
            night.change("services/zerobounce.yaml", low, high)
            changed = night.reload() if i % 4 != 3 else night.leadd.send_signal(signal.SIGHUP)
            if changed is not None:
                assert changed["applied"] and any("zerobounce: limits" in c for c in changed["changes"]), changed
            at = time.monotonic()
            night.get("/v1/status")
            slowest = max(slowest, time.monotonic() - at)
            # on a machine with much else to do the last reloads may come when the run is over: enough of them do not
            assert i > 9 or night.get(f"/v1/runs/{run}")["state"] == "running"
            time.sleep(0.1)
        wait(lambda: night.get("/v1/status")["generation"] == 21)
        end = night.wait_end(run, 120)
        assert end["outcomes"]["confirmed"] == n
        report, ledger = night.report(), night.ledger(run)
        assert collections.Counter(c["state"] for c in ledger if c["service"] != "instantly") == {"settled": 3 * n}
        assert {c["outcome"] for c in ledger} == {"ok"}
        for name in ("zerobounce", "perplexity", "openai"):
            mine = [c for c in ledger if c["service"] == name]
            assert len(mine) == report["services"][name]["calls"]
            assert sum(c["settled_micro"] for c in mine) == report["services"][name]["billed_micro"]
        assert len(ledger) == report["calls"] and report["violations"] == 0
        assert report["repeats_p3"] == report["repeats_in_doubt"] == 0
        print(f"the slowest status right after a reload: {1000 * slowest:.1f} ms; turns {night.get('/v1/status')['turn_ms']}")
        assert slowest < 0.25


def test_reload_moves_a_stage():
    """A stage gets another service, or another name, in mid-run or between two lives: every lead goes on."""
    with Stub() as one, Stub() as two:
        files = {"one": service("one", one, limits=["5/200ms"]), "two": service("two", two, limits=["5/200ms"])}
        settings = {"pipelines": {"ask": one_stage("ask", "one.ask")}, "campaigns": {"demo": {"pipeline": "ask"}}}
        with FlowNight(services=files, **settings, with_sim=False, factor=1) as night:
            run = night.run(60)
            wait(lambda: len(one.times()) >= 10)
            night.change("pipelines/ask.yaml", "one.ask", "two.ask")
            assert night.reload()["changes"] == ["pipeline ask: changed"]
            asked = len(one.times())
            wait(lambda: len(two.times()) >= 10)
            assert len(one.times()) <= asked + 5
            night.stop()
            night.change("pipelines/ask.yaml", "two.ask", "one.ask")
            night.start()
            wait(lambda: len(one.times()) >= asked + 10)
            night.change("pipelines/ask.yaml", '"stage": "ask"', '"stage": "query"')
            night.reload()
            wait(lambda: {s["stage"]: s for s in night.get(f"/v1/runs/{run}")["stages"]}["ask"]["waiting"] == 0, 5)
            assert night.wait_end(run, 30)["outcomes"]["parked"] > 0
            assert {x["reason"] for x in night.items(f"/v1/runs/{run}/leads?outcome=parked")} == {"stage-gone"}
            night.change("pipelines/ask.yaml", '"stage": "query"', '"stage": "ask"')
            night.reload()
            text, rc = night.leadctl("run", "retry", str(run))
            assert rc == 0, text
            assert night.wait_end(run, 30)["outcomes"]["ready"] == 60
            emails = [a.body["email"] for a in one.asked + two.asked]
            assert len(set(emails)) == 60
            assert len(emails) <= 60 + 5  # what was under way when its stage went has to be asked again


def test_reload_removes_a_service():
    """A service goes away while its calls are under way: they end and are paid; what waits is told; back again, it goes on."""
    with Stub() as stub:
        night = FlowNight(services={"stub": service("stub", stub, limits=["5/200ms"])}, **demo())
        night.settings["services"] = {"stub": {"budget": {"total": 100}}}
        with night:
            run = night.run(40)
            wait(lambda: len(stub.times()) >= 10)
            away = night.folder / "stub.away"
            (night.folder / "services" / "stub.yaml").rename(away)
            status, problem = refused(night, "POST", "/v1/reload", {})
            assert status == 422 and "stub" in json.dumps(problem["problems"])  # a pipeline and a budget name it
            night.change("leadd.yaml", '"stub": {', '"openai": {')
            pipeline = night.folder / "pipelines" / "ask.yaml"
            kept = one_stage("ask", "stub.ask")
            pipeline.write_text(json.dumps({"pipeline": "ask", "stages": [{"stage": "other", "gates": [{"check": "role"}]}]}))
            assert "service stub: gone" in night.reload()["changes"]
            asked = len(stub.times())
            time.sleep(0.5)
            assert len(stub.times()) == asked
            away.rename(night.folder / "services" / "stub.yaml")
            pipeline.write_text(json.dumps(kept))
            night.reload()
            shown = night.get(f"/v1/runs/{run}")
            if shown["open"] == 0:
                night.post(f"/v1/runs/{run}/retry")
            assert night.wait_end(run, 30)["outcomes"]["ready"] == 40
            assert 40 <= len(stub.times()) <= 45  # what was under way when its stage went has to be asked again
            assert night.get("/v1/ledger/summary")["settled_micro"] == len(stub.times()) * 10_000


# --- runs ---


def test_run_pause_cancel_retry():
    """Pause: what is under way ends, nothing starts, also after a restart. Cancel: every lead has an outcome at once. Retry:
    they go on where they were, and nothing that was paid for is asked again."""
    scenario = {"services": good_world()}
    for s in scenario["services"].values():
        s["latency"] = {"min": "50ms", "median": "100ms", "p95": "200ms"}
    scenario["services"]["instantly"]["script"] = [{"fault": "reset-after", "share": "40%", "endpoints": ["create-lead"]}]
    edit = {"instantly": [("retry: {throttle", "breaker: off\nretry: {throttle")], "zerobounce": [("limits: [1/3s]", "limits: [1/6s]")]}
    with FlowNight(scenario=scenario, factor=300, edit=edit) as night:
        run = night.run(200)
        wait(lambda: night.get(f"/v1/runs/{run}")["outcomes"]["confirmed"] > 10)
        assert night.leadctl("run", "pause", str(run))[1] == 0
        wait(lambda: night.get("/v1/status")["in_flight"] == 0, 5)
        calls = night.report()["calls"]
        time.sleep(0.5)
        shown = night.get(f"/v1/runs/{run}")
        assert night.report()["calls"] == calls and shown["state"] == "paused" and shown["open"] > 0
        night.stop()
        night.start()
        time.sleep(0.5)
        assert night.report()["calls"] == calls and night.get(f"/v1/runs/{run}")["state"] == "paused"
        assert night.leadctl("why", "run", str(run))[0].count("run 1 is paused") >= 1
        assert night.leadctl("run", "resume", str(run))[1] == 0
        wait(lambda: night.report()["calls"] > calls + 60)
        assert night.leadctl("run", "cancel", str(run))[1] == 0
        end = night.wait_end(run, 10)
        assert end["state"] == "cancelled" and end["open"] == 0 and end["in_doubt_micro"] == end["reserved_micro"] == 0
        assert sum(end["outcomes"].values()) == 200
        assert all(s["waiting"] == s["in_flight"] == s["retrying"] == s["held"] == 0 for s in end["stages"])
        done = collections.Counter((x["outcome"], x["reason"]) for x in night.items(f"/v1/runs/{run}/leads"))
        assert set(done) <= {("confirmed", None), ("delivered", "cancelled"), ("parked", "cancelled"), ("parked", "in-doubt")}, done
        assert refused(night, "POST", f"/v1/runs/{run}/resume", {})[0] == 409
        text, rc = night.leadctl("run", "retry", str(run), "--outcome", "parked,delivered")
        assert rc == 0 and str(200 - end["outcomes"]["confirmed"]) in text, text
        end = night.wait_end(run, 30)
        assert end["state"] == "done" and end["outcomes"]["confirmed"] == 200, end["outcomes"]
        report = night.report()
        assert report["pushed"]["count"] == 200 and report["pushed"]["doubled"] == 0 and report["repeats_p3"] == 0
        assert report["repeats_in_doubt"] == 0  # a doubtful push is looked up first
        stages = {s["stage"]: s for s in end["stages"]}
        assert stages["verify"]["ok"] == stages["push"]["ok"] == stages["confirm"]["ok"] == 200


def test_retry_failed():
    """Leads that failed for good go back to their stage, one or all; the counts of the stage follow; a paused run stays so."""
    with Stub(lambda asked: (400, {}, {"error": "no"})) as stub:
        with FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
            run = night.run(20)
            end = night.wait_end(run, 30)
            assert end["outcomes"]["failed"] == 20 and end["stages"][0]["failed"] == 20
            stub.answer = lambda asked: (200, {}, {"text": "good"})
            assert night.post(f"/v1/runs/{run}/retry", {"lead": 7}) == {"retried": 1}
            end = night.wait_end(run, 30)
            assert (end["outcomes"]["ready"], end["outcomes"]["failed"], end["stages"][0]["failed"]) == (1, 19, 19)
            assert refused(night, "POST", f"/v1/runs/{run}/retry", {"lead": 21})[0] == 404
            assert night.post(f"/v1/runs/{run}/retry", {"lead": 7}) == {"retried": 0}
            assert night.post(f"/v1/runs/{run}/retry", {"outcome": ["failed"]}) == {"retried": 19}
            end = night.wait_end(run, 30)
            assert end["outcomes"]["ready"] == 20 and end["stages"][0]["failed"] == 0 and end["stages"][0]["ok"] == 20


def test_retry_of_a_paused_run():
    """Put back, but not started: a paused run stays paused."""
    with Stub(lambda asked: (400, {}, {"error": "no"})) as stub:
        with FlowNight(services={"stub": service("stub", stub, limits=["5/1s"])}, **demo()) as night:
            run = night.run(10)
            wait(lambda: night.get(f"/v1/runs/{run}")["outcomes"]["failed"] == 5)
            night.post(f"/v1/runs/{run}/pause")
            stub.answer = lambda asked: (200, {}, {"text": "good"})
            assert night.post(f"/v1/runs/{run}/retry") == {"retried": 5}
            assert night.get(f"/v1/runs/{run}")["state"] == "paused"
            time.sleep(1.2)
            assert len(stub.times()) == 5
            night.post(f"/v1/runs/{run}/resume")
            assert night.wait_end(run, 30)["outcomes"]["ready"] == 10


# --- exports ---


def rows_of(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_export_during_a_run():
    """Exports while everything moves: each has every lead once and agrees with itself; CSV and JSONL say the same at the end."""
    n = 3000 if LONG else 600
    with FlowNight(scenario={"services": good_world()}, factor=600) as night:
        run = night.run(n)
        seen = 0
        while night.get(f"/v1/runs/{run}")["state"] == "running":
            lines = [json.loads(x) for x in night.request("GET", f"/v1/runs/{run}/export?format=jsonl").decode().splitlines()]
            assert [x["lead"] for x in lines] == sorted({x["lead"] for x in lines})
            for x in lines:
                f = x["fields"]
                if x["outcome"] == "confirmed":
                    assert f.get("copy") and f.get("pushed_id") and f.get("found_id"), x
                if f.get("found_id"):
                    assert f.get("pushed_id") and f.get("copy") and f.get("verify_status") == "valid"
                if f.get("pushed_id"):
                    assert f.get("copy")
            assert sum(x["outcome"] == "confirmed" for x in lines) >= seen
            seen = sum(x["outcome"] == "confirmed" for x in lines)
            table = rows_of(night.request("GET", f"/v1/runs/{run}/export?format=csv"))
            assert [int(x["lead"]) for x in table] == sorted({int(x["lead"]) for x in table})
            assert len(table) >= len(lines)
        night.wait_end(run, 60)
        lines = night.export(run)
        table = rows_of(night.request("GET", f"/v1/runs/{run}/export?format=csv"))
        assert len(lines) == len(table) == n
        for x, y in zip(lines, table):
            assert (x["lead"], x["outcome"]) == (int(y["lead"]), y["outcome"])
            assert all(str(v) == y[k] for k, v in x["fields"].items() if isinstance(v, str)), (x, y)
        some = night.request("GET", f"/v1/runs/{run}/export?format=csv&outcome=rejected,failed")
        assert rows_of(some) == []
        out = night.folder / "out.csv"
        text, rc = night.leadctl("run", "export", str(run), "--output", str(out))
        assert rc == 0, text
        assert rows_of(out.read_bytes()) == table


# --- inputs ---


def test_idempotency_key():
    """The same key and body give the first run, also after a restart; another body is refused; without a key it is another."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
        body = {"campaign": "demo", "upload": night.upload(people(5))}
        first = night.post("/v1/runs", body, {"Idempotency-Key": "night-17"})["run"]
        assert [night.post("/v1/runs", body, {"Idempotency-Key": "night-17"})["run"] for _ in range(3)] == [first] * 3
        status, problem = refused(night, "POST", "/v1/runs", {**body, "priority": 5}, {"Idempotency-Key": "night-17"})
        assert (status, problem["code"]) == (422, "idempotency-mismatch")
        night.wait_end(first, 30)
        night.kill()
        night.start()
        assert night.post("/v1/runs", body, {"Idempotency-Key": "night-17"})["run"] == first
        assert night.post("/v1/runs", body, {"Idempotency-Key": "night-18"})["run"] == first + 1
        assert night.post("/v1/runs", body)["run"] == first + 2
        for key in ("", "x" * 129, "tab\tbed"):
            status, problem = refused(night, "POST", "/v1/runs", body, {"Idempotency-Key": key})
            assert status == 400 and "eader" in problem["detail"] or "Idempotency-Key" in problem["detail"], problem
        together = [None] * 8
        barrier = threading.Barrier(8)

        def start(i):
            barrier.wait()
            together[i] = night.post("/v1/runs", body, {"Idempotency-Key": "all-at-once"})["run"]
        threads = [threading.Thread(target=start, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(set(together)) == 1 and len(night.items("/v1/runs")) == 4


#   method, path, body, status, what the detail has to say
BAD = [
    ("POST", "/v1/runs", {}, 400, "'campaign'"),
    ("POST", "/v1/runs", {"campaign": "dmo", "upload": "x"}, 400, "'dmo'.*demo"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "x"}, 404, "'upload'.*'x'"),
    ("POST", "/v1/runs", {"campaign": 5}, 400, "'campaign' must be a string"),
    ("POST", "/v1/runs", {"campain": "demo"}, 400, "'campain'.*'campaign'"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "buget_micro": 5}, 400, "'buget_micro'.*'budget_micro'"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "budget_micro": -1}, 400, "'budget_micro'.*0 and"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "budget_micro": "5"}, 400, "'budget_micro'.*whole number"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "budget_micro": 1.5}, 400, "'budget_micro'.*whole number"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "priority": 300}, 400, "'priority'.*0 and 255"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "share": 0}, 400, "'share'.*1 and 1000"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "limit": 0}, 400, "'limit'.*between 1"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "paused": "yes"}, 400, "'paused'.*true or false"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "encoding": "klingon"}, 400, "'encoding'.*utf-8"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "delimiter": "::"}, 400, "'delimiter'.*tab"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "map": "email=E"}, 400, "'map'.*array"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP", "map": ["email"]}, 400, "'map'.*field=Header"),
    ("POST", "/v1/runs", {"campaign": "demo", "upload": "UP"}, 409, "'upload': 0 bytes of 5"),
    ("POST", "/v1/runs", b"{nope", 400, "JSON.*byte 1"),
    ("POST", "/v1/runs", b"[]", 400, "object"),
    ("POST", "/v1/uploads", {"name": "x", "size": -1}, 400, "'size'.*0 and"),
    ("POST", "/v1/uploads", {"name": "x", "sise": 1}, 400, "'sise'.*'size'"),
    ("PUT", "/v1/uploads/UP?offset=x", b"abc", 400, "offset.*whole number from 0"),
    ("PUT", "/v1/uploads/UP?ofset=0", b"abc", 400, "'ofset'.*'offset'"),
    ("PUT", "/v1/uploads/UP?offset=10", b"abc", 409, "offset 0"),
    ("PUT", "/v1/uploads/UP?offset=0", b"abcdef", 413, "5 bytes"),
    ("GET", "/v1/uploads/zzz", None, 404, "'zzz'"),
    ("GET", "/v1/runs/0", None, 404, "run 0"),
    ("GET", "/v1/runs/99", None, 404, "run 99"),
    ("GET", "/v1/runs?limt=5", None, 400, "'limt'.*'limit'"),
    ("GET", "/v1/runs?limit=5000", None, 400, "limit.*1 to 1000"),
    ("GET", "/v1/runs?cursor=x", None, 400, "cursor.*whole number"),
    ("POST", "/v1/runs/99/pause", {}, 404, "run 99"),
    ("POST", "/v1/runs/1/cancel", {}, 409, "has ended"),
    ("POST", "/v1/runs/1/retry", {"outcome": ["faild"]}, 400, "'faild'.*failed"),
    ("POST", "/v1/runs/1/retry", {"outcomes": ["failed"]}, 400, "'outcomes'.*'outcome'"),
    ("POST", "/v1/runs/1/retry", {"lead": 99}, 404, "'lead'.*99"),
    ("GET", "/v1/runs/1/export?format=ods", None, 400, "'format'.*csv, jsonl or xlsx"),
    ("GET", "/v1/runs/1/export?outcome=reddy", None, 400, "'reddy'.*ready"),
    ("GET", "/v1/runs/99/rejects", None, 404, "run 99"),
    ("GET", "/v1/runs/1/leads?stage=aks", None, 400, "'stage'.*'aks'.*ask"),
    ("GET", "/v1/runs/99/events", None, 404, "run 99"),
    ("GET", "/v1/leads/1/99", None, 404, "1/99"),
    ("GET", "/v1/ledger?state=setled", None, 400, "'state'.*settled"),
    ("GET", "/v1/ledger?service=stbu", None, 400, "'service'.*'stbu'"),
    ("GET", "/v1/ledger?run=99", None, 404, "run 99"),
    ("GET", "/v1/ledger?cursor=zz", None, 400, "'cursor'.*'next'"),
    ("GET", "/v1/ledger/summary?run=99", None, 404, "run 99"),
    ("GET", "/v1/services/stubb", None, 404, "'stubb'.*'stub'"),
    ("POST", "/v1/services/stubb/pause", {}, 404, "'stubb'.*'stub'"),
    ("PUT", "/v1/services/stub/limit", {"max": "0/1s"}, 400, "'max'.*40/60s"),
    ("PUT", "/v1/services/stub/limit", {"max": "5/30s"}, 404, "'max'.*5/30s.*1000/1s"),
    ("PUT", "/v1/services/stub/limit", {"limit": "x", "max": "5/1s"}, 404, "'x'.*1000/1s"),
    ("GET", "/v1/why/run/99", None, 404, "run 99"),
    ("GET", "/v1/why/lead/1/99", None, 404, "1/99"),
    ("GET", "/v1/why/service/stubb", None, 404, "'stubb'.*'stub'"),
    ("GET", "/v1/limits/audit?since_ms=x", None, 400, "since_ms.*whole number"),
    ("POST", "/v1/reload?check=perhaps", {}, 400, "'check'.*0 or 1"),
    ("PATCH", "/v1/runs", {}, 405, "method"),
    ("DELETE", "/v1/runs/1", None, 405, "method"),
    ("GET", "/v1/nope", None, 404, "nothing at this path"),
]


def test_bad_inputs():
    """Every refusal is a problem that names the field and what would be right; nothing happens."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
        night.wait_end(night.run(3), 30)
        upload = night.post("/v1/uploads", {"name": "x.csv", "size": 5})["upload"]
        wrong = []
        for method, path, body, status, says in BAD:
            if isinstance(body, dict):
                body = {k: upload if v == "UP" else v for k, v in body.items()}
            got, problem = refused(night, method, path.replace("UP", upload), body)
            if got != status or not re.search(says, problem["detail"]) or problem["status"] != status or not problem["code"]:
                wrong.append((method, path, body, got, problem))
        assert wrong == []
        assert len(night.items("/v1/runs")) == 1 and len(stub.times()) == 3
        paths = night.get("/v1/openapi.json")["paths"]  # it ended leadd once, at the first route that needs no token
        assert {o["x-right"] for p in paths.values() for o in p.values()} == {"read", "operate", "admin", "approve", "intake", "public"}


def test_bad_files():
    """Files that cannot be imported end as a failed run that says why; a bad row ends nothing."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub)}, **demo()) as night:
        def why(data, **more):
            run = night.post("/v1/runs", {"campaign": "demo", "upload": night.upload(data), **more})["run"]
            return night.wait_end(run, 30)
        assert "empty" in why(b"\n")["why"]
        assert re.search("'emial'.*'email'", why(people(3), map=["email=emial"])["why"])
        assert why(people(3), limit=2)["total"] == 2
        assert why(people(3).replace(b"email", b"E-Mail Address"), map=["email=E-Mail Address"])["outcomes"]["ready"] == 3
        shown = why(people(3) + b'"half a row\n')
        assert shown["state"] == "failed" and shown["open"] == 0 and "line 5" in shown["why"], shown
        shown = why(people(3) + b"a,b,c\n" + people(2, start=50).split(b"\n", 1)[1])
        assert shown["outcomes"]["ready"] == 5 and shown["outcomes"]["rejected"] == 1, shown


# --- the rest ---


def test_doctor():
    """Names what is missing and who does not answer."""
    with Stub() as stub:
        dead = {**service("dead", stub), "base": "http://127.0.0.1:9", "service": "dead", "keys": ["nowhere"]}
        more = demo()
        more["pipelines"]["lost"] = one_stage("lost", "dead.ask")
        more["campaigns"]["other"] = {"pipeline": "lost"}
        idle = {**dead, "service": "idle", "keys": ["none"]}
        with FlowNight(services={"stub": service("stub", stub), "dead": dead, "idle": idle}, **more) as night:
            items = {(i["check"], i["subject"]): i for i in night.post("/v1/doctor")["items"]}
            assert items["reachable", "stub"]["ok"] and not items["reachable", "dead"]["ok"]
            assert items["reachable", "idle"]["ok"] and ("credential", "none") not in items  # no campaign uses it
            assert items["credential", "stub"]["ok"] and not items["credential", "nowhere"]["ok"]
            assert all(not i["ok"] or i["detail"] for i in items.values())
            text, rc = night.leadctl("doctor")
            assert rc != 0 and "nowhere" in text and "dead" in text
            assert "key-of-stub" not in text + night.log()


def test_backup():
    """A copy made in mid-run opens in a leadd of its own, agrees with itself, and has what was told before it was asked for."""
    with Stub() as stub:
        files = {"stub": service("stub", stub, limits=["200/1s"])}
        with FlowNight(services=files, **demo()) as night:
            run = night.run(400)
            wait(lambda: night.get(f"/v1/runs/{run}")["outcomes"]["ready"] > 50)
            done = night.get(f"/v1/runs/{run}")["outcomes"]["ready"]
            text, rc = night.leadctl("backup")
            assert rc == 0, text
            path = re.search(r"\S*backups/\S+\.mdb", text)[0]
            dump = subprocess.run(["mdb_dump", "-n", "-l", path], capture_output=True, text=True)
            assert dump.returncode == 0 and "ready" in dump.stdout.split()
            night.post("/v1/services/stub/pause")
            with FlowNight(services=files, **demo()) as other:
                other.stop()
                os.rename(path, other.folder / "state" / "leadd.mdb")
                (other.folder / "state" / "leadd.mdb-lock").unlink(missing_ok=True)
                other.start()
                shown = other.get(f"/v1/runs/{run}")
                assert shown["outcomes"]["ready"] >= done
                text, rc = other.leadctl("store", "check")
                assert rc == 0, text
                assert other.wait_end(run, 30)["open"] == 0


def test_one_thread():
    """One entry in /proc/PID/task, whatever is under way."""
    scenario = {"services": good_world()}
    with FlowNight(scenario=scenario, factor=600, edit={}) as night:
        run = night.run(200)
        counts, busiest = set(), 0
        while night.get(f"/v1/runs/{run}")["state"] != "done":
            counts.add(len(os.listdir(f"/proc/{night.leadd.pid}/task")))
            busiest = max(busiest, night.get("/v1/status")["in_flight"])
        night.post("/v1/doctor")
        night.leadctl("backup")
        counts.add(len(os.listdir(f"/proc/{night.leadd.pid}/task")))
        assert counts == {1} and busiest > 20
