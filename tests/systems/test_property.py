"""The property-management pipeline, whole: companies found in rounds, their people, and the lists of the CRM.

QUANTITIES=10,50,100 tries others than 10; DISCOVERY=50 the most that a round of discovery brings."""

import collections
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight  # noqa: E402

LATENCY = {"min": "5ms", "median": "15ms", "p95": "40ms"}
QUANTITIES = [int(n) for n in os.environ.get("QUANTITIES", "10").split(",")]
# what takes minutes and hours takes seconds here
QUICK = {
    "n8n": [("retry: {transient: {attempts: 3, base: 5s, cap: 5min}}", "retry: {transient: {attempts: 3, base: 100ms, cap: 1s}}"),
            ("retry: {empty: {attempts: 2, base: 60s, cap: 60s}}", "retry: {empty: {attempts: 2, base: 100ms, cap: 1s}}"),
            ("timeout: {total: 7200s}", "timeout: {connect: 1s, total: 5s}")],
    "n8n-verifier": [("retry: {transient: {attempts: 3, base: 5s, cap: 5min}}", "retry: {transient: {attempts: 3, base: 100ms, cap: 1s}}"),
                     ("retry: {pending: {attempts: 2, base: 15min, cap: 1h}}", "retry: {pending: {attempts: 2, base: 100ms, cap: 1s}}"),
                     ("timeout: {total: 240s}", "timeout: {connect: 1s, total: 5s}")],
}


def world(**more):
    services = {name: {"latency": LATENCY} for name in ("hubspot", "supabase", "n8n")}
    for name, of in more.items():
        services[name] = {**services[name], **of}
    return {"doubt": "250ms", "services": services}


def night(scenario=None, **more):
    return FlowNight(scenario=scenario or world(), edit=QUICK, campaigns={"pm": {"pipeline": "property-management"}}, factor=600, **more)


def search(it, quantity, **more):
    return it.post("/v1/runs", {"campaign": "pm", "quantity": quantity, "params": {"state": "CA", "pms": "AppFolio", **more}})["run"]


def check_books(it, run):
    """Whatever happened: each company and person once, everything linked, nothing paid twice, limits held."""
    end, report, ledger = it.get(f"/v1/runs/{run}"), it.report(), it.ledger(run)
    files = it.results(run)
    companies, contacts = files["companies.csv"], files["contacts.csv"]
    by_id = {c["company_id"]: c for c in companies}
    assert sum(end["companies"]["outcomes"].values()) == len(companies) and end["companies"]["open"] == 0
    good = [c for c in companies if c["outcome"] == "ready"]
    assert len({c["domain"].lower() for c in good}) == len(good)
    for person in contacts:
        company = by_id[person["company_id"]]
        assert company["outcome"] == "ready" and person["company"] == company["name"] and person["website"] == company["domain"]
    most = collections.Counter(p["company_id"] for p in contacts)
    assert all(n <= 10 for n in most.values())
    proof.windows(it, report)
    assert report["repeats_p3"] == 0, report["repeats"]
    assert "companies" in files["summary.txt"] and files["metrics.json"]["companies"] == end["companies"]
    phases = {p["stage"]: p for p in files["metrics.json"]["phases"]}
    assert phases["discovery"]["took_ms"] >= 0 and phases["company"]["working_ms"] > 0 and phases["list"]["began"] <= phases["company"]["began"]
    return end, files, report, ledger


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_whole(quantity):
    with night() as it:
        begun = time.monotonic()
        run = search(it, quantity, city="Fresno")
        end = it.wait_end(run, 900)
        took = time.monotonic() - begun
        end, files, report, ledger = check_books(it, run)
        assert end["companies"]["outcomes"]["ready"] >= min(quantity, 10), end["finding"]
        delivered = [p for p in files["contacts.csv"] if p["outcome"] == "delivered"]
        assert delivered and all(p["verify_status"] == "valid" and p["professional_anecdotes"] and p["personal_anecdotes"] for p in delivered)
        stages = {s["stage"]: s for s in end["stages"]}
        funnel = {k: v for k, v in end["companies"]["outcomes"].items() if v}
        print(f"quantity {quantity}: {took:.1f} s, {len(ledger)} calls, discovery {stages['discovery']['calls']} rounds "
              f"({end['finding']['reason']}), companies {funnel}, people { {k: v for k, v in end['outcomes'].items() if v} }")
        some = end["companies"]["outcomes"]["rejected"] and files["companies.csv"][0]
        text, code = it.leadctl("lead", "list", str(run), "--level", "company")
        assert code == 0 and some["name"] in text and some["domain"] in text, text
        text, code = it.leadctl("lead", "show", f"{run}/run")
        assert code == 0 and f"lead {run}/run" in text and "of the file" not in text and max(map(len, text.splitlines())) < 1000, text
        assert files["rejects.csv"] and all(r["lead"] not in {p["lead"] for p in files["contacts.csv"]} for r in files["rejects.csv"])
        text, code = it.leadctl("run", "show", str(run))
        assert code == 0 and f"wanted           {quantity}".split() == [w for w in text.split("\n") if "wanted" in w][0].split(), text


def test_the_same_again():
    """The same parameters are another run; what the first one was told is not asked for again."""
    with night() as it:
        first = it.wait_end(search(it, 5))  # both begin with the same ones of the table
        second = it.wait_end(search(it, 5))
        assert second["run"] == first["run"] + 1 and second["companies"]["outcomes"]["ready"] >= 5
        company = {s["stage"]: s for s in second["stages"]}["company"]
        assert company["cached"] >= 4 and company["calls"] + company["cached"] == company["ok"], company
        asked_again = {r["endpoint"] for r in it.report()["repeats"]}
        assert asked_again.isdisjoint({"company-enrichment", "verify-email"}), asked_again


def test_companies_of_a_file():
    """Nobody is looked for; the people know their company as those of found companies do."""
    with night() as it:
        rows = "Name,Domain,City\n" + "".join(f"Firm {n},firm{n}-homes.com,Fresno\n" for n in "abcdefgh")
        run = it.start_run(rows.encode(), campaign="pm", params={"state": "CA", "pms": "AppFolio"})
        it.wait_end(run)
        files = it.results(run)
        companies = {c["company_id"]: c for c in files["companies.csv"]}
        assert len(companies) == 8 and files["contacts.csv"]
        for person in files["contacts.csv"]:
            assert (person["company"], person["website"]) == (companies[person["company_id"]]["Name"], companies[person["company_id"]]["Domain"]), person


def test_killed_and_started_again():
    with night(world(n8n={"latency": {"min": "20ms", "median": "60ms", "p95": "120ms"}})) as it:
        run = search(it, 10)
        for i in range(3):
            it.wait_for(run, lambda r: sum(s["calls"] for s in r["stages"]) > 15 + 25 * i or r["state"] == "done")
            it.kill()
            it.start()
        end = it.wait_end(run)
        files = it.results(run)
        assert end["companies"]["open"] == 0 and end["companies"]["outcomes"]["ready"] >= 8
        assert len({c["domain"] for c in files["companies.csv"] if c["outcome"] == "ready"}) == end["companies"]["outcomes"]["ready"]
        people = [(p["company_id"], p["email"]) for p in files["contacts.csv"] if p["outcome"] == "delivered"]
        assert len(people) == len(set(people)) > 0


def test_services_down():
    """Discovery down: those that are known. Verifier down: whoever waits goes on when it is back. CRM down: nobody passes."""
    scenario = world(n8n={"script": [{"fault": "error-500", "endpoints": ["discovery"]}]},
                     hubspot={"script": [{"fault": "error-500", "endpoints": ["read-objects"]}]})
    edit = {**QUICK, "hubspot": [("timeout: {total: 60s}", "timeout: {connect: 1s, total: 3s}\nbreaker: off\nretry: {transient: {attempts: 2, base: 50ms, cap: 100ms}}")]}
    with FlowNight(scenario=scenario, edit=edit, campaigns={"pm": {"pipeline": "property-management"}}, factor=600) as it:
        run = search(it, 30)
        end = it.wait_end(run)
        stages = {s["stage"]: s for s in end["stages"]}
        # its workflow may have run, so that a person has to say whether it is asked again; what is known goes on
        assert end["finding"]["outcome"] == "parked" and end["finding"]["reason"] == "in-doubt"
        assert stages["known"]["ok"] >= 1 and end["companies"]["outcomes"]["ready"] > 0
        assert end["outcomes"]["delivered"] == 0 and end["outcomes"]["parked"] > 0, end["outcomes"]
        it.sim_request("POST", "/_sim/scenario", b"services: {n8n: {script: []}, hubspot: {script: []}}")
        text, code = it.leadctl("run", "retry", str(run), "--outcome", "parked")
        assert code == 0, text
        end = it.wait_end(run)
        assert end["outcomes"]["delivered"] > 0 and end["companies"]["outcomes"]["ready"] >= 30, end["companies"]


def test_crm_down_from_the_start():
    """Nobody passes, no round is spent on more who would wait, the run ends and tells; released they are enough."""
    scenario = world(hubspot={"script": [{"fault": "error-500", "endpoints": ["search-objects"]}]})
    edit = {**QUICK, "hubspot": [("timeout: {total: 60s}", "timeout: {connect: 1s, total: 3s}\nbreaker: off\nretry: {transient: {attempts: 2, base: 50ms, cap: 100ms}}")]}
    with FlowNight(scenario=scenario, edit=edit, campaigns={"pm": {"pipeline": "property-management"}}, factor=600) as it:
        run = search(it, 10)
        end = it.wait_end(run)
        stages = {s["stage"]: s for s in end["stages"]}
        assert end["finding"]["outcome"] == "parked" and end["finding"]["reason"] == "held-up", end["finding"]
        assert stages["discovery"]["calls"] == end["finding"]["rounds"] <= 4 and end["companies"]["outcomes"]["ready"] == 0
        it.sim_request("POST", "/_sim/scenario", b"services: {hubspot: {script: []}}")
        text, code = it.leadctl("run", "retry", str(run))
        assert code == 0, text
        end = it.wait_end(run)
        assert end["finding"]["reason"] == "enough" and end["companies"]["outcomes"]["ready"] >= 10, end["companies"]


def test_crm_down_and_passed_by():
    """The policy `pass`: they go on, and everything says that nobody looked."""
    scenario = world(hubspot={"script": [{"fault": "error-500", "endpoints": ["search-objects"]}]})
    edit = {**QUICK, "hubspot": [("timeout: {total: 60s}", "timeout: {connect: 1s, total: 3s}\nbreaker: off\nretry: {transient: {attempts: 2, base: 50ms, cap: 100ms}}")]}
    shipped = (FlowNight.shipped("pipelines") / "property-management.yaml").read_text()
    assert "    on_fail: hold                       # nobody" in shipped
    with FlowNight(scenario=scenario, edit=edit, campaigns={"pm": {"pipeline": "property-management"}}, factor=600,
                   pipelines={"property-management": shipped.replace("    on_fail: hold                       # nobody", "    on_fail: pass  # nobody")}) as it:
        run = search(it, 5)
        end = it.wait_end(run)
        files = it.results(run)
        good = end["companies"]["outcomes"]["ready"]
        assert good >= 5 and all(c["without"] == "company-in-crm" for c in files["companies.csv"] if c["outcome"] == "ready")
        assert f"warning   {good} went on without company-in-crm" in files["summary.txt"], files["summary.txt"]
        assert "params    state=CA, pms=AppFolio\nwanted    5\nsearch    ready: enough" in files["summary.txt"]
        error = files["metrics.json"]["errors"][0]
        assert (error["stage"], error["service"], error["endpoint"], error["http_status"]) == ("company-in-crm", "hubspot", "find_companies", 500)
        assert error["count"] == next(s for s in files["metrics.json"]["services"] if s["service"] == "hubspot")["failures"]
        assert "company_reasons" in files["metrics.json"] and "went on without company-in-crm" in it.leadctl("run", "show", str(run))[0]


def test_verifier_down():
    """Nothing else stops, the run ends without those who wait for it too long, and `run retry` goes on with them."""
    scenario = world(n8n={"script": [{"fault": "error-500", "endpoints": ["verify-email"]}]})
    edit = {**QUICK, "n8n-verifier": [*QUICK["n8n-verifier"], ("open: 300s", "open: 1s")]}
    shipped = (FlowNight.shipped("pipelines") / "property-management.yaml").read_text()
    assert "down_after: 3h" in shipped
    with FlowNight(scenario=scenario, edit=edit, campaigns={"pm": {"pipeline": "property-management"}}, factor=600,
                   pipelines={"property-management": shipped.replace("down_after: 3h", "down_after: 2s")}) as it:
        run = search(it, 10)
        end = it.wait_end(run)
        assert end["companies"]["outcomes"]["ready"] >= 10 and end["finding"]["reason"] == "enough", end["companies"]
        assert end["outcomes"]["parked"] + end["outcomes"]["failed"] > 0 and end["outcomes"]["delivered"] == 0
        assert it.service("n8n")["keys"][0]["breaker"]["opened"] == 0
        assert "leads" in it.results(run)["summary.txt"]
        it.sim_request("POST", "/_sim/scenario", b"services: {n8n: {script: []}}")
        assert it.leadctl("service", "reset", "n8n-verifier")[1] == 0  # else its breaker may be open still, and it counts as down
        text, code = it.leadctl("run", "retry", str(run))
        assert code == 0, text
        assert it.wait_end(run)["outcomes"]["delivered"] > 0


def test_mistakes():
    told = ["--param", "state=CA", "--param", "pms=AppFolio"]
    with night() as it:
        text, code = it.leadctl("campaign", "show", "pm")
        assert code == 0 and "state (required): two letters, such as CA" in text and "city: given up" in text, text
        for args, said in ((["--param", "stat=CA"], "did you mean 'state'"), (["--param", "pms=AppFolio"], "needs param 'state'"),
                           (["--param", "state"], "NAME=VALUE"), (["--param", "state= ", "--param", "pms=AppFolio"], "needs param 'state'"),
                           ([*told, "--quantity", "501"], "finds at most 500 companies a run"), ([*told, "--quantity", "0"], "nearest: 1"),
                           ([*told, "--param", "state=TX"], "more than once")):
            text, code = it.leadctl("run", "start", "--campaign", "pm", *args)
            assert code != 0 and said in text, text
        it.change("leadd.yaml", '"pipeline": "property-management"', '"pipeline": "property-managment", "knwn": "skip"')
        text, code = it.leadctl("reload", "--check")
        assert code != 0 and "did you mean 'known'" in text and "property-managment" in text, text  # one hides no other
