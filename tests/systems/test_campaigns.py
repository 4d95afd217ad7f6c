"""Campaigns of two organisations at the same time: people by a scraper, checked, researched, written to, and in campaigns at the tool
that the runs create. Each campaign gets the same people, as a search that is done three times does."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight, good_world  # noqa: E402
from night import QUICK  # noqa: E402

EDIT = {**QUICK, "apify": [("every: 5s", "every: 200ms"), ("waitForFinish: 20", "waitForFinish: 1")]}
OFFER = {"offer": "We take routine work off busy teams."}
NAMES = ["Concurrent Test Campaign #1", "Concurrent Test Campaign #2", "Concurrent Test Campaign #3"]


def night(known="allow", factor=60, **more):
    services = good_world()
    for name in ("apify", "apollo"):
        services[name] = {"latency": {"min": "5ms", "median": "20ms", "p95": "50ms"}}
    services["apify"]["run"] = "1s"
    services["instantly"]["campaigns"] = {"Known before": "11111111-1111-4111-8111-111111111111"}
    campaigns = {f"c{i}": {"pipeline": "outreach", "organisation": "one" if i < 3 else "two", "vars": OFFER, "known": known} for i in (1, 2, 3)}
    scenario = {"people": {"count": 500, "no_email": "5%"}, "faults": {"retry_after": "200ms"}, "services": services}
    return FlowNight(scenario=scenario, edit=EDIT, factor=factor, campaigns=campaigns,
                     settings={"organisations": {"one": {}, "two": {}}}, **more)


def begin(it, i, quantity=10, **more):
    params = {"actor": "owner~people", "campaign_name": NAMES[i - 1], "most": 50}
    return it.post("/v1/runs", {"campaign": f"c{i}", "quantity": quantity, "params": {**params, **more}})["run"]


def at_tool(report):
    """Addresses by campaign of those that are there now."""
    found = {}
    for lead in report["pushed"]["leads"]:
        if not lead.get("deleted"):
            found.setdefault(lead["campaign"], []).append(lead["email"])
    return found


def test_three_at_once():
    with night() as it:
        begun = time.monotonic()
        runs = [begin(it, i) for i in (1, 2, 3)]
        ends = [it.wait_end(run) for run in runs]
        took = time.monotonic() - begun
        report, ledger = it.report(), it.items("/v1/ledger")
        through = [end["outcomes"]["confirmed"] for end in ends]
        assert all(end["total"] == 10 and end["open"] == 0 for end in ends), ends
        assert through[0] == through[1] == through[2] >= 8
        # one campaign of its own at the tool for each, with everybody who has an address, once
        tool = at_tool(report)
        assert len(tool) == 3 and all(len(v) == len(set(v)) == through[0] for v in tool.values()), tool
        # whoever has no address cost nothing; what the three ask alike was asked once, and they share its price
        for run in runs:
            for lead in it.export(run):
                assert lead["outcome"] == "confirmed" or (lead["reason"].startswith("email") and lead["spent_micro"] == 0) or lead["spent_micro"] > 0
        verify = [c for c in ledger if c["service"] == "zerobounce"]
        assert len(verify) == through[0], "one call for the three campaigns"
        assert sum(c["endpoint"] == "research" for c in ledger) <= through[0] + 2
        proof.bill(ledger, report)
        proof.windows(it, report)
        assert report["repeats_p3"] == 0, report["repeats"]
        told = [line.split() for run in runs for line in it.results(run)["summary.txt"].splitlines() if line.startswith("verify ")]
        assert len(told) == 3 and sum(int(line[2]) for line in told) == 2 * through[0], told  # calls, saved
        shared = [len(c["parts"]) for c in verify]
        print(f"3 x 10 people: {took:.1f} s, {len(ledger)} calls, {through} confirmed, parts of a verification {sorted(shared)}, "
              f"cost of each {[round(e['settled_micro'] / 1e6, 4) for e in ends]}")


def test_known_leads_are_skipped():
    with night(known="skip") as it:
        first = it.wait_end(begin(it, 1))
        calls = len(it.items("/v1/ledger"))
        second, other = it.wait_end(begin(it, 2)), it.wait_end(begin(it, 3))
        there = first["outcomes"]["confirmed"]
        assert second["outcomes"]["duplicate"] >= there, second["outcomes"]
        assert other["outcomes"]["confirmed"] == there and other["outcomes"]["duplicate"] == 0  # another organisation
        again = [c for c in it.ledger(second["run"]) if c["service"] in ("zerobounce", "openai")]
        assert calls > 20 and {p["lead"] for c in again for p in c["parts"]}.isdisjoint(
            {lead["lead"] for lead in it.export(second["run"]) if lead["outcome"] == "duplicate"})


def test_quota_of_one_service_stops_no_other():
    """As that night went: the writer's allowance is used up. Everything before it goes on, and nobody is pushed without a text."""
    with night() as it:
        it.sim_request("POST", "/_sim/scenario", b"services: {openai: {script: [{fault: quota}]}}")
        runs = [begin(it, i) for i in (1, 2)]
        for run in runs:
            it.wait_for(run, lambda r: [s for s in r["stages"] if s["stage"] == "research"][0]["ok"] >= 8)
        text, code = it.leadctl("service", "show", "openai")
        assert code == 0 and "quota" in text, text
        assert at_tool(it.report()) == {}
        it.sim_request("POST", "/_sim/scenario", b"services: {openai: {script: []}}")
        text, code = it.leadctl("service", "reset", "openai")
        assert code == 0, text
        ends = [it.wait_end(run) for run in runs]
        assert all(end["outcomes"]["confirmed"] >= 8 for end in ends), ends


def test_a_search_that_cannot_begin():
    """The run ends, as a failure; what to look at is said everywhere in words that leadctl takes."""
    with night() as it:
        it.change("leadd.yaml", "/apify/v2", "/apify/v1")
        it.reload()
        end = it.wait_end(begin(it, 1))
        assert end["task"] == "failure" and end["total"] == 0 and end["finding"]["outcome"] == "failed", end
        receipt, _ = it.leadctl("receipt", "run", "1")
        assert "leadctl lead show 1/run; to try again: leadctl run retry 1" in receipt, receipt
        text, code = it.leadctl("lead", "show", "1/run")
        assert code == 0 and "failed: http-404" in text, text
        assert "search    failed: http-404 at scrape" in it.results(1)["summary.txt"] and "1/run" in it.results(1)["summary.txt"]
        it.change("leadd.yaml", "/apify/v1", "/apify/v2")
        it.reload()
        assert it.leadctl("run", "retry", "1")[1] == 0
        assert it.wait_for(1, lambda r: r["state"] == "done" and r["outcomes"]["confirmed"] >= 8, 60)["task"] == "success"
