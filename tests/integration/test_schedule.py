"""Campaigns that begin by themselves, on the machine's own clock: at their minute, once; what was missed is skipped or made up for, as
they say. (Every other rule of schedules: tests/unit/test_agenda_runs.c, on a clock of its own.)"""

import time
from datetime import datetime, timezone

from flow_kit import FlowNight, Stub, stamp, wait

SEARCH = {"search": {"get": "/people", "query": {"state": "${.state}"}, "in_doubt": "free", "map": {"people": ".people"}}}
PIPELINE = {"pipeline": "finding", "params": {"state": {"about": "where"}}, "stages": [
    {"stage": "search", "of": "run", "call": "find.search", "with": {"state": "${.state}"},
     "makes": {"level": "contact", "from": "${.people}", "fields": {"email": "${.email}"}}}]}
FIVE_MINUTES = 300


def campaign(at, **rule):
    return {"pipeline": "finding", "schedule": {"at": datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M"), "params": {"state": "CA"}, **rule}}


def test_schedule():
    people = {"people": [{"email": "ann@works.com"}, {"email": "bob@works.com"}]}
    moment = (time.time() + 8) // 60 * 60 + 60  # the next full minute that a slow start does not miss
    missed = moment + FIVE_MINUTES
    campaigns = {"now": campaign(moment), "skips": campaign(missed), "late": campaign(missed, missed="run-late"),
                 "too-late": campaign(missed, missed="run-late", within="60s"), "by-hand": {"pipeline": "finding"}}
    with Stub(lambda asked: (200, {}, people)) as stub, FlowNight(
            {"find": {"service": "find", "base": stub.base, "keys": ["find"], "auth": "bearer", "calls": SEARCH}}, {"finding": PIPELINE}, campaigns,
            with_sim=False) as it:
        def last(name):
            told = it.get(f"/v1/campaigns/{name}")["schedule"]["last"]
            return told and (told["what"], told["run"])

        assert stamp(it.get("/v1/campaigns/now")["schedule"]["next"]) == moment and last("now") is None
        assert it.get("/v1/campaigns/by-hand")["schedule"] is None
        wait(lambda: it.items("/v1/runs"), 90, "the scheduled run")
        run = it.items("/v1/runs")[0]
        assert 0 <= stamp(run["created"]) - moment < 20 and run["campaign"] == "now" and run["source"].startswith("schedule ")
        it.kill()  # right behind the moment: it was used

        it.start_later(2 * FIVE_MINUTES)
        wait(lambda: last("late"), 30, "what was missed")
        late = last("late")[1]
        assert last("late") == ("started-late", late) and last("skips") == last("too-late") == ("skipped", None), [last(n) for n in campaigns if n != "by-hand"]
        assert last("now") == ("started", run["run"])
        for number in (run["run"], late):
            end = it.wait_end(number, 30)
            assert end["state"] == "done" and end["outcomes"]["ready"] == 2 and end["campaign"] in ("now", "late")
        # the search that was under way at the kill is free, and asked again
        assert {asked.query["state"] for asked in stub.asked} == {"CA"} and len(stub.asked) in (2, 3)
        text, code = it.leadctl("campaign", "list")
        assert code == 0 and "started late" in text.replace("-", " ") and "skipped" in text, text

        assert it.stop() == 0  # and no moment is used twice
        it.start()
        time.sleep(0.5)
        assert len(it.items("/v1/runs")) == 2 and last("late") == ("started-late", late)
