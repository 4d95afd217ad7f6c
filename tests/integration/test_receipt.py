"""`leadctl receipt run` and `leadctl waste run`: the sums are the ledger's and the services' bill, and waste names exactly
the gates and the order that were missing."""

import collections

import pytest
from flow_kit import FlowNight, good_world, letters, people, shipped_vars
from night import LEADS, Night, Refused, calm

GOOD = ("ready", "delivered", "confirmed")
CLOSED = ("settled", "refunded", "in-doubt")


def total(list_, key):
    return sum(x[key] for x in list_)


def check_sums(night, run, receipt):
    """Against the ledger, the leads and the summary."""
    calls = [c for c in night.ledger(run) if c["state"] in CLOSED]
    money = {s: sum(c["settled_micro"] for c in calls if c["state"] == s) for s in CLOSED}
    assert receipt["calls"] == len(calls) == total(receipt["services"], "calls")
    assert receipt["settled_micro"] == money["settled"] == total(receipt["services"], "settled_micro")
    assert receipt["in_doubt_micro"] == money["in-doubt"] == total(receipt["services"], "in_doubt_micro")
    summary = night.get(f"/v1/ledger/summary?run={run}")
    assert (summary["settled_micro"], summary["in_doubt_micro"]) == (receipt["settled_micro"], receipt["in_doubt_micro"])
    by_service = collections.Counter()
    for c in calls:
        by_service[c["service"]] += c["settled_micro"] if c["state"] != "refunded" else 0
    for s in receipt["services"]:
        assert s["settled_micro"] + s["in_doubt_micro"] == by_service[s["service"]]
        assert s["bought_micro"] + s["wasted_micro"] + s["open_micro"] == by_service[s["service"]]
    leads = night.export(run)
    spent = collections.Counter()
    for lead in leads:
        spent[lead["outcome"]] += lead["spent_micro"]
    for o in receipt["outcomes"]:
        assert o["spent_micro"] == spent[o["outcome"]], o
        assert o["leads"] == sum(lead["outcome"] == o["outcome"] for lead in leads)
    assert receipt["bought_micro"] == sum(spent[o] for o in GOOD)
    assert receipt["bought_micro"] + receipt["wasted_micro"] + receipt["open_micro"] == \
        receipt["settled_micro"] + receipt["in_doubt_micro"] == sum(spent.values())
    lost = collections.Counter((lead["outcome"], lead["reason"]) for lead in leads if lead["outcome"] not in (*GOOD, "open"))
    assert {(w["outcome"], w["reason"]): w["leads"] for w in receipt["wasted"]} == dict(lost)
    assert total(receipt["wasted"], "spent_micro") == receipt["wasted_micro"]
    return leads


def test_receipt():
    with Night(scenario={"services": calm()}, factor=600) as night:
        run = night.start_run((LEADS / "people-1000.csv").read_bytes(), limit=400)
        night.wait_end(run)
        receipt = night.get(f"/v1/runs/{run}/receipt")
        leads = check_sums(night, run, receipt)
        report = night.report()
        assert receipt["settled_micro"] == report["billed_micro"] and receipt["in_doubt"] == 0
        for s in receipt["services"]:
            assert s["settled_micro"] == report["services"][s["service"]]["billed_micro"]
        # each lead that a free check or its twin stopped is one validation less, at its list price
        stopped = [lead for lead in leads if lead["outcome"] in ("rejected", "duplicate") and lead["spent_micro"] == 0]
        assert stopped and total(receipt["saved"], "leads") == len(stopped)
        assert receipt["saved_micro"] == 8000 * len(stopped)
        text, rc = night.leadctl("receipt", "run", str(run))
        assert rc == 0 and "saved, at list prices" in text and "by service" in text and "zerobounce" in text, text
        with pytest.raises(Refused) as refused:
            night.get(f"/v1/runs/{run + 1}/receipt")
        assert refused.value.status == 404
        with pytest.raises(Refused) as refused:
            night.get(f"/v1/runs/{run + 1}/waste")
        assert refused.value.status == 404


def test_receipt_of_a_bad_night():
    """In doubt, looked up, not started: what was saved, and what needs a person, with the command."""
    scenario = {"services": good_world()}
    scenario["services"]["openai"]["script"] = [{"fault": "reset-after", "from": 5, "calls": 3}]
    scenario["services"]["instantly"]["script"] = [{"fault": "reset-after", "from": 3, "calls": 4}]
    with Night(scenario=scenario, factor=600) as night:
        run = night.start_run(people(80), budget_micro=800000)
        night.wait_end(run)
        receipt = night.get(f"/v1/runs/{run}/receipt")
        check_sums(night, run, receipt)
        doubtful = [c for c in night.ledger(run) if c["state"] == "in-doubt"]
        assert receipt["in_doubt"] == len(doubtful) > 3
        looked_up = [s for s in receipt["saved"] if s["by"] == "looked up instead of repeated"]
        assert len(looked_up) == 1 and looked_up[0]["calls"] > 0
        needs = {n["reason"]: n for n in receipt["needs"]}
        assert needs["not-started: budget"]["leads"] > 5 and f"run retry {run}" in needs["not-started: budget"]["help"]
        text, rc = night.leadctl("receipt", "run", str(run))
        assert rc == 0 and "needs a person" in text and f"run retry {run}" in text, text


def rows(n, blank_first=(), blank_company=(), role=()):
    lines = ["first_name,last_name,company,email"]
    for i in range(n):
        last = letters(i)
        first = "" if i in blank_first else "Ann"
        company = "" if i in blank_company else f"{last} Works"
        local = "info" if i in role else "ann"
        lines.append(f"{first},{last},{company},{local}@{last.lower()}works.com")
    return ("\n".join(lines) + "\n").encode()


def stages(*names, gates=()):
    """A pipeline of these, in this order."""
    known = {
        "verify": {"stage": "verify", "call": "zerobounce.validate", "with": {"email": "${.email}"},
                   "gates": [{"field": "verify_status", "in": ["valid", "catch-all"], "reason": "undeliverable"}]},
        "research": {"stage": "research", "call": "perplexity.research", "on_empty": "pass", "give": {"research": "${.text}"},
                     "with": {"system": "Facts.", "prompt": "Company: ${.email}"}},
        "copy": {"stage": "copy", "call": "openai.chat", "needs": ["first_name"], "give": {"copy": "${.text}"},
                 "with": {"system": "Write.", "prompt": "First name: ${.first_name}", "model": "gpt-4o-mini"}},
        "push": {"stage": "push", "push": "instantly.push", "needs": ["email", "company"],
                 "with": {"campaign": "${.campaign.instantly_campaign}", "email": "${.email}", "company_name": "${.company}"}}}
    listed = [{"stage": "intake", "gates": list(gates)}] if gates else []
    return {"pipeline": "own", "stages": listed + [known[n] for n in names]}


def night_of(world, *names, gates=()):
    return FlowNight(scenario={"services": world}, factor=600, pipelines={"own": stages(*names, gates=gates)},
                     campaigns={"demo": {"pipeline": "own", "vars": shipped_vars()}})


def waste_of(night, data):
    run = night.start_run(data)
    night.wait_end(run)
    waste = night.get(f"/v1/runs/{run}/waste")
    leads = night.export(run)
    dead = [lead for lead in leads if lead["outcome"] in ("rejected", "failed") and lead["spent_micro"] > 0]
    assert waste["wasted_micro"] + waste["unknowable_micro"] >= 0
    assert total(waste["items"], "leads") + total(waste["unknowable"], "leads") == len(dead)
    assert total(waste["items"], "wasted_micro") == waste["wasted_micro"]
    return run, waste, leads


def test_waste_of_missing_inputs():
    """Of 60 rows 7 lack the first name and 5 others the company: found to the cent, and nothing else."""
    first, company = set(range(3, 10)), set(range(20, 25))
    with night_of(good_world(), "verify", "copy", "push") as night:
        run, waste, leads = waste_of(night, rows(60, first, company))
        found = {i["missing"]: i for i in waste["items"]}
        assert set(found) == {"gate {present: first_name}", "gate {present: company}"}
        for field, numbers in (("first_name", first), ("company", company)):
            item = found[f"gate {{present: {field}}}"]
            spent = sum(lead["spent_micro"] for lead in leads if lead["lead"] - 1 in numbers)
            assert item["leads"] == len(numbers) and item["wasted_micro"] == spent > 0
            assert item["where"] == "at intake" and item["reason"] == f"missing-{field}" and item["extra_micro"] == 0
        assert waste["unknowable"] == []
        text, rc = night.leadctl("waste", "run", str(run))
        assert rc == 0 and "gate {present: company}" in text and "at intake" in text, text


def test_no_waste():
    """With the gates listed the same leads cost nothing."""
    gates = [{"present": "first_name", "reason": "no-first-name"}, {"present": "company", "reason": "no-company"}]
    with night_of(good_world(), "verify", "copy", "push", gates=gates) as night:
        _, waste, _ = waste_of(night, rows(60, set(range(3, 10)), set(range(20, 25))))
        assert waste["items"] == [] and waste["wasted_micro"] == 0 and waste["unknowable"] == []


def test_waste_of_order():
    """Research is paid before the verification that it does not help: its money is lost on each lead without a mailbox."""
    world = good_world()
    world["zerobounce"]["verdicts"] = {"invalid": "40%", **{
        k: "0%" for k in ("catch-all", "unknown", "do_not_mail", "spamtrap", "abuse")}}
    with night_of(world, "research", "verify", "copy", gates=[{"check": "role"}]) as night:
        run, waste, leads = waste_of(night, rows(80))
        dead = {lead["lead"] for lead in leads if lead["reason"] == "undeliverable"}
        assert len(dead) > 15
        paid = sum(c["settled_micro"] for c in night.ledger(run)
                   if c["service"] == "perplexity" and c["parts"][0]["lead"] in dead)
        assert [(i["missing"], i["where"], i["reason"], i["leads"], i["wasted_micro"], i["extra_micro"]) for i in waste["items"]] == [
            ("stage verify before research", "at intake", "undeliverable", len(dead), paid, 0)]


def test_waste_of_free_checks():
    """Of the leads without a mailbox some had an address of a role: the check is not in the pipeline, or lets it pass."""
    world = good_world()
    world["zerobounce"]["verdicts"] = {"invalid": "40%", **{
        k: "0%" for k in ("catch-all", "unknown", "do_not_mail", "spamtrap", "abuse")}}
    role = set(range(0, 80, 2))
    for gates, name in (((), "gate {check: role}"), (({"check": "role", "else": "pass"},), "gate role, which passes")):
        with night_of(world, "verify", "copy", gates=gates) as night:
            _, waste, leads = waste_of(night, rows(80, role=role))
            dead = [lead for lead in leads if lead["reason"] == "undeliverable"]
            known = [lead for lead in dead if lead["lead"] - 1 in role]
            assert known and len(known) < len(dead)
            assert [(i["missing"], i["leads"], i["wasted_micro"]) for i in waste["items"]] == [
                (name, len(known), total(known, "spent_micro"))]
            assert total(waste["unknowable"], "leads") == len(dead) - len(known)
