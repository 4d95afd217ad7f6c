"""`leadctl plan`: a night before it is paid for, by the real daemon over the shipped pipeline."""

import json
import threading
import time

import pytest
from flow_kit import FlowNight, good_world, people, shipped_vars
from night import Refused

N = 40


def shipped():
    return {"campaigns": {"demo": {"pipeline": "cold-email", "vars": shipped_vars()}}, "scenario": {"services": good_world()}, "factor": 60}


def plan(night, *more, rows=None):
    file = night.folder / "list.csv"
    file.write_bytes(rows if rows is not None else people(N, 1000))
    return night.leadctl("plan", str(file), "--campaign", "demo", *more)


def plan_json(night, *more, rows=None):
    text, rc = plan(night, "--json", *more, rows=rows)
    assert rc == 0, text
    return json.loads(text)


@pytest.fixture(scope="module")
def night():
    with FlowNight(**shipped()) as night:
        run = night.run(N)
        night.wait_end(run, 60)
        yield night


def calls(night):
    return night.get("/v1/ledger/summary")


def files(night, folder):
    return sorted(p.name for p in (night.folder / "state" / folder).iterdir())


def test_plan_learns_and_calls_nobody(night):
    """What was seen is expected again; nothing is called, nothing stays behind."""
    before, uploads = calls(night), files(night, "uploads")
    told = plan_json(night)
    assert calls(night) == before
    assert files(night, "uploads") == uploads and files(night, "plan") == []
    assert told["leads"]["rows"] == N and told["ends_share"] == 1
    assert told["leads"]["outcomes"]["confirmed"] >= 0.9 * N
    assert [s["stage"] for s in told["stages"]] == ["verify", "research", "copy", "push", "confirm"]
    assert told["stages"][0]["in"] == N
    assert {s["service"]: s["known_answers"] for s in told["services"]}["zerobounce"] == N
    real = night.get("/v1/runs/1")
    assert 0.8 < told["cost_micro"]["median"] / real["settled_micro"] < 1.25
    assert told["cost_micro"]["early"] <= told["cost_micro"]["median"] <= told["cost_micro"]["late"]
    assert told["took_ms"]["early"] <= told["took_ms"]["median"] <= told["took_ms"]["late"]
    assert sum(told["timeline"]["stages"][0]["calls"]) >= N


def test_plan_for_people(night):
    text, rc = plan(night)
    assert rc == 0, text
    for word in ("finish", "late case", "cost", "saved", "verify", "zerobounce", "held up by", "at most"):
        assert word in text, text
    assert f"{N} rows" in text


def test_free_rows_are_counted(night):
    rows = people(10, 2000) + people(5, 2000).split(b"\n", 1)[1] + b"Xavier,Nomailer,Owner,Works,no-address\n"
    leads = plan_json(night, rows=rows)["leads"]
    assert (leads["rows"], leads["duplicates"], leads["refused"]) == (16, 5, 1)
    assert leads["calls_saved"] >= 6 * 5


def test_what_if(night):
    """A slower limit makes a longer night, a dearer call a dearer one; a budget ends it."""
    as_is = plan_json(night)
    slow = plan_json(night, "--what-if", "zerobounce.limit=1/30s")
    assert slow["took_ms"]["median"] > 3 * as_is["took_ms"]["median"]
    assert plan_json(night, "--what-if", "verify.limit=1/30s")["took_ms"]["median"] > 3 * as_is["took_ms"]["median"]
    dear = plan_json(night, "--what-if", "zerobounce.price=0.08")
    assert 3 < dear["cost_micro"]["median"] / as_is["cost_micro"]["median"] < 10
    poor = plan_json(night, "--budget", "0.3")
    assert poor["budget"]["ends"] is not None and poor["budget"]["chance"] == 0
    assert poor["leads"]["outcomes"]["parked"] > N / 3
    assert poor["cost_micro"]["late"] <= 300000
    assert poor["notes"]


@pytest.mark.parametrize("change,word", [
    ("zerobounce.limt=2/3s", "'limit'"), ("zerobunce.limit=2/3s", "'zerobounce'"), ("zerobounce.limit=fast", "2/3s"),
    ("openai.limit=9/7s", "60"), ("openai.concurrency=0", "1"), ("openai.price=x", "0.008"), ("bugdet=60", "'budget'"), ("nothing", "budget=60")])
def test_wrong_what_if(night, change, word):
    text, rc = plan(night, "--what-if", change)
    assert rc == 1 and word in text, text


def test_by(night):
    slow = ["--what-if", "zerobounce.limit=1/60s"]
    soon = plan_json(night, *slow, "--by", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 15)))
    assert soon["by"]["enough"] is False and soon["by"]["done"] < N
    late = plan_json(night, "--by", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400)))
    assert late["by"]["enough"] is True and late["by"]["done"] == N
    text, rc = plan(night, "--by", "teatime")
    assert rc == 2 and "07:00" in text, text


def test_wrong_questions(night):
    text, rc = night.leadctl("plan", str(night.folder / "leadd.yaml"), "--campaign", "nobody")
    assert rc == 1 and "demo" in text, text
    with pytest.raises(Refused) as e:
        night.request("POST", "/v1/plans", {"campaign": "demo", "upload": night.upload(people(3)), "by": "soon"})
    assert e.value.status == 400
    text, rc = plan(night, rows=b"\n")
    assert rc == 1, text


def test_the_daemon_goes_on(night):
    """While a plan is reckoned the daemon answers as ever, and a second plan is refused."""
    answers, took = [], []

    def ask():
        answers.append(plan(night, rows=people(3000, 5000)))

    thread = threading.Thread(target=ask)
    thread.start()
    refused = 0
    while thread.is_alive():
        began = time.monotonic()
        night.get("/v1/status")
        took.append(time.monotonic() - began)
        if len(took) == 40:
            try:
                night.post("/v1/plans", {"campaign": "demo", "upload": night.upload(people(3))})
            except Refused as e:
                refused = e.status
        time.sleep(0.02)
    thread.join()
    assert answers[0][1] == 0, answers[0][0]
    assert refused == 409
    assert len(took) > 40 and sorted(took)[len(took) * 95 // 100] < 0.1, sorted(took)[-5:]
