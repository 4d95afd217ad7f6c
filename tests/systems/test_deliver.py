"""What was pushed is there, once: the ladder of sizes with lost pushes and other faults, and what a run brought taken out again.

LADDER=1 climbs to the top; without it the ladder ends at 500 leads."""

import csv
import http.client
import json
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight, people  # noqa: E402
from night import CAMPAIGN, QUICK, ROOT  # noqa: E402

STEPS = [20, 200, 500] + ([1000, 2000] if "LADDER" in os.environ else [])
QUICKLY = {"instantly": QUICK["instantly"] + [("base: 2s, cap: 60s", "base: 100ms, cap: 1s")]}
# what is shipped for a CRM's events, started with files here; looks that take seconds take a fraction of them
STAGES = (ROOT / "etc/pipelines/crm-events.yaml").read_text().replace("missing: {wait: 2s, looks: 3,", "missing: {wait: 200ms, looks: 2,")
assert "wait: 200ms" in STAGES
LATENCY = {"min": "5ms", "median": "10ms", "p95": "20ms"}


def world(rate="5%", lost="5%"):
    return {"doubt": "250ms", "faults": {"retry_after": "200ms", "slow": "2s"},
            "services": {"instantly": {
                "latency": LATENCY, "random": {"rate": rate}, "campaigns": {"Spring": CAMPAIGN},
                "script": [{"fault": "lost-push", "share": lost, "endpoints": ["create-lead"]}]}}}


class Delivery(FlowNight):
    def run(self, n, **more):
        return super().run(n, params={"campaign_name": "Spring"}, **more)


def night(scenario, **more):
    return Delivery(scenario=scenario, pipelines={"deliver": STAGES.replace("pipeline: crm-events", "pipeline: deliver")}, edit=QUICKLY,
                    campaigns={"demo": {"pipeline": "deliver"}}, factor=600, **more)


def there(report):
    """The addresses in the campaign now, each with how often."""
    found = {}
    for lead in report["pushed"]["leads"]:
        if not lead.get("deleted"):
            found[lead["email"]] = found.get(lead["email"], 0) + 1
    return found


def addresses(n, start=0):
    return {row["email"] for row in proof.rows(people(n, start))}


@pytest.mark.parametrize("n", STEPS)
def test_ladder(n):
    with night(world()) as it:
        run = it.run(n)
        end = it.wait_end(run)
        report, ledger = it.report(), it.ledger(run)
        assert end["outcomes"]["confirmed"] == n, end["outcomes"]
        assert there(report) == {address: 1 for address in addresses(n)}
        faults = report["services"]["instantly"]["faults"]
        assert n < 200 or (faults["lost-push"] > 0 and sum(faults.values()) > n * 0.05), faults
        proof.pushes(ledger, report)
        proof.windows(it, report)
        print(n, faults, len(ledger), "calls")


@pytest.mark.parametrize("duplicate", ["conflict", "existing"])
def test_slow_index(duplicate):
    """What was pushed shows a second later, longer than all looks before the first repair: pushed again, and there once."""
    scenario = world("0%", "5%")
    scenario["services"]["instantly"].update({"index_delay": "1s", "duplicate": duplicate})
    with night(scenario) as it:
        run = it.run(100)
        end = it.wait_end(run)
        assert end["outcomes"]["confirmed"] == 100, end["outcomes"]
        assert there(it.report()) == {address: 1 for address in addresses(100)}
        assert sum(call["endpoint"] == "push" for call in it.ledger(run)) > 150, "nothing was pushed again"
        text, code = it.leadctl("recall", "run", str(run))
        assert code == 0 and "100 leads are being recalled" in text, text  # whose they are it knows all the same
        assert it.wait_end(run)["outcomes"]["recalled"] == 100 and there(it.report()) == {}


def test_recall_unsent_only():
    """Those to whom something was sent stay, each with its reason."""
    scenario = world("2%", "0%")
    scenario["services"]["instantly"]["contacted"] = "40%"
    with night(scenario) as it:
        run = it.run(60)
        assert it.wait_end(run)["outcomes"]["confirmed"] == 60
        text, code = it.leadctl("recall", "run", str(run), "--unsent-only", "--dry-run")
        assert code == 0 and "60 leads would be looked at" in text, text
        text, code = it.leadctl("recall", "run", str(run), "--unsent-only")
        assert code == 0 and "60 leads are being recalled" in text, text
        end = it.wait_end(run)
        sent = {lead["fields"]["email"] for lead in it.export(run) if lead["reason"] == "recall: sent already"}
        assert 10 < len(sent) < 40 and end["outcomes"] == {**end["outcomes"], "confirmed": len(sent), "recalled": 60 - len(sent)}
        assert set(there(it.report())) == sent


def by_hand(it, method, path, body=None):
    """What somebody does at the tool beside leadd; it fails for them, too."""
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", it.sim_port, timeout=10)
        try:
            connection.request(method, f"/instantly/api/v2{path}", None if body is None else json.dumps(body),
                               {"Authorization": "Bearer by-hand", "Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
    raise AssertionError("leadsim takes nothing")


def test_recall():
    """A run is taken out again, in spite of faults and a kill -9 in its middle; what others brought stays. Then it is pushed again."""
    mine, others = addresses(200), [row["email"] for row in proof.rows(people(5))]
    with night({**world("0%", "0%"), "seed": 4}) as it:
        for address in [*others, "stranger@elsewhere.com"]:
            by_hand(it, "POST", "/leads", {"campaign": CAMPAIGN, "email": address})
        time.sleep(1.1)
        run = it.run(200)
        end = it.wait_end(run)
        # who was there already has other fields than were pushed, and the tool keeps them: delivered, not confirmed
        assert (end["outcomes"]["confirmed"], end["outcomes"]["delivered"]) == (195, 5), end["outcomes"]
        assert {lead["fields"]["email"] for lead in it.export(run) if lead["reason"] == "not-as-pushed"} == set(others)
        text, code = it.leadctl("recall", "run", str(run), "--dry-run")
        assert code == 0 and "195 leads would go, 5 stay" in text and text.count("was there before") == 5, text
        assert len(there(it.report())) == 201, "only looked"
        it.sim_request("POST", "/_sim/scenario", json.dumps({"services": {"instantly": {
            "latency": {"min": "50ms", "median": "100ms", "p95": "200ms"}, "random": {"rate": "10%"}}}}))
        text, code = it.leadctl("recall", "run", str(run))
        assert code == 0 and "195 leads are being recalled" in text, text
        it.wait_for(run, lambda r: r["outcomes"]["recalled"] > 20)
        it.kill()
        it.start()
        end = it.wait_end(run)
        assert end["state"] == "done" and end["outcomes"]["recalled"] == 195 and end["outcomes"]["delivered"] == 5, end["outcomes"]
        assert set(there(it.report())) == {*others, "stranger@elsewhere.com"}
        assert it.leadctl("store", "check")[1] == 0
        assert all(item["ok"] for item in it.get("/v1/limits/audit?since_ms=86400000")["items"])
        text, code = it.leadctl("recall", "run", str(run))
        assert code == 0 and ": 0 leads" in text, text

        it.sim_request("POST", "/_sim/scenario", json.dumps({"services": {"instantly": {"random": {"rate": "0%"}}}}))
        text, code = it.leadctl("run", "retry", str(run), "--outcome", "recalled")
        assert code == 0 and "195 leads put back" in text, text
        assert it.wait_end(run)["outcomes"]["confirmed"] == 195
        assert there(it.report()) == {address: 1 for address in [*mine, "stranger@elsewhere.com"]}


def test_recall_cancelled():
    """What a cancelled run had pushed goes, and the run is cancelled again; while it goes on it cannot be recalled."""
    with night(world("0%", "0%")) as it:
        it.sim_request("POST", "/_sim/scenario", json.dumps({"services": {"instantly": {
            "latency": {"min": "50ms", "median": "100ms", "p95": "200ms"}}}}))
        run = it.run(300)
        it.wait_for(run, lambda r: r["outcomes"]["confirmed"] > 50)
        text, code = it.leadctl("recall", "run", str(run))
        assert code == 5 and "cancel it first" in text, text
        it.leadctl("run", "cancel", str(run))
        it.wait_end(run)
        pushed = len(there(it.report()))
        assert 50 < pushed < 300
        text, code = it.leadctl("recall", "run", str(run), "--watch")
        assert code == 6, text  # what was watched is a cancelled run
        end = it.wait_end(run)
        assert end["state"] == "cancelled" and end["outcomes"]["recalled"] == pushed, end["outcomes"]
        assert there(it.report()) == {}


def test_verify():
    """520 leads on six pages, with faults and a kill -9: clean. Then some are deleted, doubled, changed and added by hand: each is
    found, the missing are pushed again, and what is left is what only a person can put right."""
    with night(world("0%", "0%")) as it:
        first, second = it.run(500), it.run(20, start=600)
        for run in (first, second):
            it.wait_end(run)
        it.sim_request("POST", "/_sim/scenario", json.dumps({"services": {"instantly": {
            "latency": {"min": "100ms", "median": "150ms", "p95": "300ms"}, "random": {"rate": "20%"}}}}))
        it.post(f"/v1/runs/{first}/verify")
        time.sleep(0.5)
        it.kill()
        it.start()
        text, code = it.leadctl("verify", "run", str(first))
        assert code == 0 and "500 pushed, 520 in the destination, 20 of them of other runs" in text, text
        assert "0 missing, 0 doubled, 0 changed, 0 foreign" in text, text

        calm_down = {"latency": LATENCY, "random": {"rate": "0%"}}
        it.sim_request("POST", "/_sim/scenario", json.dumps({"services": {"instantly": calm_down}}))
        leads = {lead["email"]: lead for lead in it.report()["pushed"]["leads"]}
        rows = proof.rows(people(500))
        for row in rows[:3]:
            by_hand(it, "DELETE", f"/leads/{leads[row['email']]['id']}")
        by_hand(it, "POST", "/leads", {"campaign": CAMPAIGN, "email": rows[10]["email"], "first_name": rows[10]["first_name"],
                                       "last_name": rows[10]["last_name"], "company_name": rows[10]["company"]})
        by_hand(it, "PATCH", f"/leads/{leads[rows[20]['email']]['id']}", {"first_name": "Somebody"})
        by_hand(it, "POST", "/leads", {"campaign": CAMPAIGN, "email": "stranger@elsewhere.com"})
        file = it.folder / "found.csv"
        text, code = it.leadctl("verify", "run", str(first), "--csv", str(file))
        assert code == 7 and "3 missing, 1 doubled, 1 changed, 1 foreign" in text, text
        found = {(row["kind"], row["lead"], row["field"]) for row in csv.DictReader(file.open())}
        assert found == {("missing", "1", ""), ("missing", "2", ""), ("missing", "3", ""), ("doubled", "11", ""),
                         ("changed", "21", "first_name"), ("foreign", "", "")}, found
        assert "stranger" not in file.read_text() and "s***@e***.com" in file.read_text()

        text, code = it.leadctl("verify", "run", str(first), "--repair")
        assert code == 7 and "3 are pushed again" in text, text
        assert it.wait_end(first)["outcomes"]["confirmed"] == 500
        shown, code = it.leadctl("--json", "verify", "run", str(first))
        told = json.loads(shown)
        assert code == 7 and [told[k] for k in ("missing", "doubled", "changed", "foreign")] == [0, 1, 1, 1], told
        assert it.leadctl("store", "check")[1] == 0
