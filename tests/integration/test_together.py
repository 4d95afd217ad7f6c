"""Leads that go together through the real programs: batches, shared calls and kept answers, what commands say of them, and the same
night again."""

import json
import threading

from flow_kit import FlowNight, Stub, people, service, wait


def matches(asked):
    return 200, {}, {"matches": [{"email": i["email"].upper(), "title": "Owner"} for i in reversed(asked.body["details"])]}


MATCH = {
    "match": {"post": "/match", "json": {"details": "${.items}"}, "in_doubt": {"repeat": 1},
              "batch": {"size": 5, "linger": "300ms", "each": {"email": "${.email}"}, "answers": ".matches",
                        "join": {"item": "${.email}", "answer": ".email"}},
              "price": {"per_item": 0.01, "on": ["ok"]}, "map": {"role": ".title"}},
}
LOOK = {
    "look": {"post": "/look", "json": {"title": "${.title}"}, "price": {"body": ".cost", "ceiling": 0.02}, "in_doubt": {"repeat": 1},
             "map": {"size": ".size"}},
}
PIPELINE = {"pipeline": "together", "stages": [
    {"stage": "match", "call": "matcher.match", "with": {"email": "${.email}"}},
    {"stage": "look", "call": "looker.look", "with": {"title": "${.title}"}, "cache": "1h"}]}


def test_together():
    gate = threading.Event()

    def looked_at(asked):
        gate.wait(10)
        return 200, {}, {"size": 7, "cost": 0.02}

    with Stub(matches) as matcher, Stub(looked_at) as looker:
        night = FlowNight(services={"matcher": service("matcher", matcher, MATCH), "looker": service("looker", looker, LOOK)}, pipelines={"together": PIPELINE},
                          campaigns={"c": {"pipeline": "together"}}, with_sim=False, factor=1)
        with night:
            first = night.run(12, campaign="c")
            second = night.run(3, campaign="c", start=100)
            # all of them are Owners: one question, which all but one join
            wait(lambda: sum(s["shared"] for r in (first, second) for s in night.get(f"/v1/runs/{r}")["stages"]) == 14, what="joining")
            gate.set()
            for run, n in ((first, 12), (second, 3)):
                assert night.wait_end(run, 30)["outcomes"]["ready"] == n
            assert sorted(len(a.body["details"]) for a in matcher.asked) in ([2, 3, 5, 5], [3, 2, 5, 5])
            assert len(looker.times()) == 1
            third = night.run(2, campaign="c", start=200)
            assert night.wait_end(third, 30)["outcomes"]["ready"] == 2
            assert len(looker.times()) == 1
            stages = {s["stage"]: s for s in night.get(f"/v1/runs/{third}")["stages"]}
            assert (stages["look"]["cached"], stages["look"]["calls"], stages["match"]["calls"]) == (2, 0, 2)

            ledger = night.ledger(first)
            assert sorted((c["together"], len(c["parts"])) for c in ledger) == [("batch", 2), ("batch", 5), ("batch", 5), ("shared", 15)]
            shared = next(c for c in ledger if c["together"] == "shared")
            assert shared["settled_micro"] == 20000 == sum(p["settled_micro"] for p in shared["parts"])
            assert sorted({p["settled_micro"] for p in shared["parts"]}) == [1333, 1338]
            text, rc = night.leadctl("ledger", "list", "--run", str(first))
            assert rc == 0 and "+14 shared" in text and "+4 batch" in text, text
            text, _ = night.leadctl("run", "show", str(third))
            assert "CACHED" in text and "SHARED" in text, text
            text, _ = night.leadctl("lead", "show", f"{third}/1")
            assert "ok (cached)" in text and shared["call"] in text, text
            text, _ = night.leadctl("lead", "show", f"{second}/2")
            assert "ok (joined)" in text, text
            receipts = [night.get(f"/v1/runs/{r}/receipt") for r in (first, second, third)]
            assert sum(r["settled_micro"] for r in receipts) == 20000 + 17 * 10000
            assert sum(r["calls"] for r in receipts) == 1 + len(matcher.times())
            saved = {(i, s["by"]): s for i, r in enumerate(receipts) for s in r["saved"]}
            assert saved[2, "answers kept"]["calls"] == 2 and saved[2, "answers kept"]["saved_micro"] == 40000
            assert sum(s["saved_micro"] for (_, by), s in saved.items() if by == "calls shared") == 14 * 20000
            text, _ = night.leadctl("receipt", "run", str(third))
            assert "answers kept" in text and "asked in batches" in text, text
            for run in (first, second, third):
                told = night.get(f"/v1/ledger/summary?run={run}")
                assert told["settled_micro"] == receipts[(first, second, third).index(run)]["settled_micro"]
            # a plan makes batches, too: fewer calls than leads
            file = night.folder / "more.csv"
            file.write_bytes(people(20, 300))
            text, rc = night.leadctl("plan", str(file), "--campaign", "c", "--json")
            planned = {s["service"]: s for s in json.loads(text)["services"]}
            assert rc == 0 and 4 <= planned["matcher"]["calls"] <= 12, text
            text, rc = night.leadctl("replay", "run", str(third))
            assert rc == 0, text
            text, rc = night.leadctl("store", "check")
            assert rc == 0, text
