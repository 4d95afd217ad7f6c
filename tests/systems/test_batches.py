"""Contacts bought ten at a time and pushed a hundred at a time: each pays for itself, each is there once, whatever goes wrong."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight, people, shipped_vars  # noqa: E402
from night import QUICK  # noqa: E402

STAGES = """pipeline: bought
stages:
  - stage: enrich
    call: apollo.match_many
    with: {email: "${.email}"}
    give: {industry: "${.industry}"}
    on_empty: pass
  - stage: push
    push: instantly.push_many
    needs: [email]
    with:
      campaign: "${.campaign.instantly_campaign}"
      email: "${.email}"
      first_name: "${.first_name}"
      company_name: "${.company}"
      custom_variables: {industry: "${.industry}"}
  - stage: confirm
    confirm: instantly.find
    with: {campaign: "${.campaign.instantly_campaign}", email: "${.email}"}
    expect: {found_campaign: "${.campaign.instantly_campaign}", found_email: "${.email}"}
    missing: {wait: 200ms, looks: 2, repair: push, repairs: 10}
"""
PATIENT = "transient: {attempts: 10, base: 100ms, cap: 1s}"  # these nights are worse than what the files are made for
QUICKLY = {"instantly": QUICK["instantly"] + [("{throttle: {base: 2s, cap: 60s}}", "{throttle: {base: 100ms, cap: 1s}, " + PATIENT + "}"),
                                              ("linger: 2s", "linger: 200ms")],
           "apollo": [("linger: 2s", "linger: 200ms"),
                      ("timeout: {total: 60s}", "timeout: {connect: 1s, total: 3s}\nretry: {" + PATIENT + "}"),
                      ("in_doubt: {repeat: 1}", "in_doubt: {repeat: 9}"), ("in_doubt: {repeat: 1}", "in_doubt: {repeat: 9}")]}
LATENCY = {"min": "5ms", "median": "20ms", "p95": "50ms"}


def world(rate, often):
    script = [{"fault": "lost-push", "share": "50%", "endpoints": ["add-leads"]}]
    return {"doubt": "250ms", "faults": {"retry_after": "200ms", "slow": "1s"},
            "people": {"no_email": "15%", "not_found": "15%"},
            "services": {"apollo": {"latency": LATENCY, "random": {"rate": often}, "missing": "shuffled"},
                         "instantly": {"latency": LATENCY, "random": {"rate": rate}, "script": script if rate != "0%" else []}}}


def night(rate, often):
    return FlowNight(scenario=world(rate, often), pipelines={"bought": STAGES}, edit=QUICKLY, factor=600,
                     campaigns={"demo": {"pipeline": "bought", "vars": shipped_vars()}})


def play(n, rate="0%", often="0%"):
    with night(rate, often) as it:
        run = it.run(n)
        end = it.wait_end(run)
        exported, ledger, report = it.export(run), it.ledger(run), it.report()
        assert end["outcomes"]["confirmed"] == n, end["outcomes"]
        there = [lead["email"] for lead in report["pushed"]["leads"] if not lead["deleted"]]
        assert sorted(there) == sorted(row["email"] for row in proof.rows(people(n)))
        proof.bill(ledger, report)
        proof.windows(it, report)
        enriched = sum(bool(lead["fields"].get("industry")) for lead in exported)
        apollo = report["services"]["apollo"]
        print(rate, "calls", apollo["calls"], "billed", apollo["billed_calls"], "enriched", enriched, "pushes",
              report["services"]["instantly"]["answers"], "doubled", report["pushed"]["doubled"], "faults", apollo["faults"])
        return report, ledger, enriched


def test_quiet():
    """Every contact that came with an address was paid for, and no other."""
    n = 200
    report, ledger, enriched = play(n)
    apollo = report["services"]["apollo"]
    assert apollo["calls"] == n / 10
    assert apollo["billed_calls"] == enriched and apollo["billed_micro"] == enriched * 100_000
    assert n * 0.6 < enriched < n * 0.85
    assert sum(call["settled_micro"] for call in ledger) == apollo["billed_micro"]
    assert report["repeats_p3"] == 0


def test_faults():
    """Answers that are lost, spoiled or refused, and leads that vanish from a push that was reported whole."""
    report, _, _ = play(200, rate="10%", often="30%")
    instantly = report["services"]["instantly"]["faults"]
    assert instantly["lost-push"] > 0 and sum(report["services"]["apollo"]["faults"].values()) > 0
    assert report["pushed"]["doubled"] == 0
