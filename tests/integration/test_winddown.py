"""`run start --by TIME --budget MONEY`: begun leads are finished, the others are not started, and the run ends."""

import re
import time
from datetime import datetime, timedelta, timezone

import pytest
from flow_kit import good_world, people, stamp
from night import Night, calm

GOOD = ("ready", "delivered", "confirmed")


def start(night, rows, *options):
    """Through leadctl; the run's number."""
    file = night.folder / "people.csv"
    file.write_bytes(people(rows))
    text, rc = night.leadctl("run", "start", str(file), "--campaign", "demo", *options)
    assert rc == 0, text
    return int(re.match(r"run (\d+) running", text)[1])


def test_budget():
    """Of 400 leads a budget of 2 USD pays for some: none of them is left half-way, and next to nothing is left over."""
    with Night(scenario={"services": calm()}, factor=200) as night:
        run = start(night, 400, "--budget", "2")
        shown = night.wait_for(run, lambda r: r["settled_micro"] > 500000 or r["state"] == "done")
        assert shown["forecast"]["not_started"] > 50 and shown["forecast"]["cost_micro"] <= 2000000
        assert shown["eta"] == shown["forecast"]["finish"]
        text, rc = night.leadctl("run", "show", str(run))
        assert rc == 0 and re.search(r"forecast +done about .*, having cost about .* USD", text), text
        assert "will not be started: the money does not last" in text, text
        end = night.wait_end(run)
        assert end["state"] == "done" and end["open"] == 0
        spent = end["settled_micro"] + end["in_doubt_micro"]
        assert 1850000 <= spent <= 2000000
        leads = night.export(run)
        parked = [lead for lead in leads if lead["outcome"] == "parked"]
        assert len(parked) > 100 and all(lead["reason"] == "not-started: budget" for lead in parked)
        assert all(lead["spent_micro"] == 0 for lead in parked)
        assert all(lead["outcome"] in (*GOOD, "rejected", "parked") for lead in leads)
        # more money: retry takes them up again
        text, rc = night.leadctl("run", "retry", str(run), "--budget", "100")
        assert rc == 0 and f"{len(parked)} leads put back" in text, text
        end = night.wait_end(run)
        assert end["outcomes"]["parked"] == 0 and end["budget_micro"] == 100000000


def test_by():
    """Nothing is begun that could not be finished in time, and the run ends in time."""
    scenario = {"services": good_world()}
    limits = {"perplexity": "6/1s", "zerobounce": "50/1s", "openai": "60/1s", "instantly": "100/1s"}
    edit = {"perplexity": [("limits: [50/60s]", "limits: [6/1s]")], "zerobounce": [("limits: [1/3s]", "limits: [50/1s]")],
            "openai": [("limit: [60/60s, 10000/day]", "limit: 60/1s, label: 60s")],
            "instantly": [("limit: 100/60s", "limit: 100/1s")]}
    for name, limit in limits.items():
        scenario["services"][name]["limits"] = [limit]
    with Night(scenario=scenario, factor=1, edit=edit) as night:
        begin = time.time()
        run = start(night, 400, "--by", "20s")
        shown = night.get(f"/v1/runs/{run}")
        assert 18 < stamp(shown["by"]) - begin < 22
        text, rc = night.leadctl("run", "show", str(run))
        assert rc == 0 and re.search(r"\nby +20\d\d-", text), text
        end = night.wait_end(run)
        leads = night.export(run)
        parked = [lead for lead in leads if lead["outcome"] == "parked"]
        assert stamp(end["ended"]) <= stamp(end["by"]) + 0.5, (end["ended"], end["by"])
        assert parked and all(lead["reason"] == "not-started: time" and lead["spent_micro"] == 0 for lead in parked)
        done = [lead for lead in leads if lead["outcome"] in GOOD]
        assert len(done) + len(parked) == 400
        # six a second; the last seconds, and one window of each service, are kept for the way
        assert len(done) >= 6 * 12, len(done)


def test_why():
    """While the money for begun leads is kept, `why` says so."""
    scenario = {"services": good_world()}
    with Night(scenario=scenario, factor=200) as night:
        night.post("/v1/services/perplexity/pause")
        run = start(night, 60, "--budget", "1")
        night.wait_for(run, lambda r: not r["importing"])
        wait_s = time.monotonic() + 20
        while True:
            text, rc = night.leadctl("why", "lead", f"{run}/60")
            assert rc == 0
            if ("is kept for the" in text and " 0 of 64" in text) or time.monotonic() > wait_s:
                break
            time.sleep(0.05)
        found = re.search(r"not started: the budget of the run \(1.00\) is kept for the (\d+) leads begun", text)
        assert found and 5 < int(found[1]) < 40, text
        shown = night.get(f"/v1/runs/{run}")
        assert shown["state"] == "running" and shown["forecast"]["begun"] == int(found[1])
        night.post("/v1/services/perplexity/resume")
        end = night.wait_end(run)
        assert end["outcomes"]["confirmed"] > 20 and end["outcomes"]["parked"] + end["outcomes"]["confirmed"] == 60


@pytest.fixture(scope="module")
def idle():
    with Night(factor=200) as night:
        yield night


@pytest.mark.parametrize("text, word", [
    ("25:00", "no time"), ("7", "no time"), ("soon", "no time"), ("07:00x", "no time"), ("-8h", "no time"),
    ("2020-01-01T07:00:00Z", "is over"), ("2099-11-28T07:00", "nearest: 2099-11-28T07:00Z"), ("", "no time")])
def test_wrong_times(idle, text, word):
    file = idle.folder / "few.csv"
    file.write_bytes(people(2))
    text, rc = idle.leadctl("run", "start", str(file), "--campaign", "demo", f"--by={text}")
    assert rc == 2 and "--by" in text and word in text, text
    assert idle.get("/v1/runs")["items"] == []


@pytest.mark.parametrize("by, word", [("yesterday", "is a time such as"), ("2020-01-01T00:00:00Z", "is over"), (7, "by")])
def test_wrong_times_of_the_api(idle, by, word):
    from night import Refused
    with pytest.raises(Refused) as refused:
        idle.start_run(people(2), by=by)
    assert refused.value.status == 400 and word in refused.value.body


def test_times():
    """Clock times are local and the next to come; RFC 3339 with or without seconds."""
    with Night(factor=200) as night:
        file = night.folder / "few.csv"
        file.write_bytes(people(2))
        now = datetime.now(timezone.utc)
        soon = (now + timedelta(hours=2)).astimezone()
        past = (now - timedelta(hours=2)).astimezone()
        for text, want in ((soon.strftime("%H:%M"), soon), (past.strftime("%H:%M"), past + timedelta(days=1)),
                           ("2099-11-28T07:00+01:00", datetime(2099, 11, 28, 6, tzinfo=timezone.utc)),
                           ("90min", now + timedelta(minutes=90))):
            started, rc = night.leadctl("run", "start", str(file), "--campaign", "demo", "--paused", "--by", text, "--json")
            assert rc == 0, started
            run = night.get("/v1/runs?limit=1")["items"][0]
            assert abs(stamp(run["by"]) - want.timestamp()) < 70, (text, run["by"])
