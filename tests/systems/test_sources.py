"""Runs without a file: people that Apollo finds and sells, and people that a scraper at Apify brings."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight, shipped_vars  # noqa: E402
from night import QUICK  # noqa: E402

SEARCH = """pipeline: found
params: {country: {required: true}}
stages:
  - stage: search
    of: run
    call: apollo.search
    with: {company_locations: ["${.country}"]}
    makes:
      from: "${.people}"
      fields: {apollo_id: "${.id}", first_name: "${.first_name}", last_name: "${.last_name_obfuscated}", title: "${.title}", company: "${.organization.name}"}
  - stage: match
    call: apollo.match_many
    with: {apollo_id: "${.apollo_id}"}
  - stage: push
    push: instantly.push_many
    needs: [email]
    with: {campaign: "${.campaign.instantly_campaign}", email: "${.email}", first_name: "${.first_name}", last_name: "${.last_name}"}
"""
SCRAPE = """pipeline: scraped
params: {count: {required: true}}
stages:
  - stage: scrape
    of: run
    call: apify.start
    with: {actor: owner~people, max_items: "${.count}", input: {url: "https://example.com/search"}}
  - stage: read
    of: run
    call: apify.items
    needs: [dataset_id]
    with: {dataset_id: "${.dataset_id}"}
    makes:
      from: "${.people}"
      fields: {email: "${.email}", first_name: "${.first_name}", last_name: "${.last_name}", title: "${.title}", company: "${.organization.name}"}
  - stage: push
    push: instantly.push_many
    needs: [email]
    with: {campaign: "${.campaign.instantly_campaign}", email: "${.email}", first_name: "${.first_name}", last_name: "${.last_name}"}
"""
WATERFALL = """pipeline: waterfall
stages:
  - stage: more
    call: apollo.match_waterfall
    with: {first_name: "${.first_name}", last_name: "${.last_name}", company: "${.company}", webhook_url: "https://leads.example.com/apollo"}
    give: {other_address: "${.email}"}
"""
QUICKLY = {"instantly": QUICK["instantly"] + [("linger: 2s", "linger: 200ms")],
           "apollo": [("linger: 2s", "linger: 200ms"), ("every: 15s", "every: 500ms")],
           "apify": [("every: 5s", "every: 200ms"), ("waitForFinish: 20", "waitForFinish: 1")]}
LATENCY = {"min": "5ms", "median": "20ms", "p95": "50ms"}


def night(pipeline, apify=None, **more):
    scenario = {"faults": {"retry_after": "200ms", "slow": "1s"}, "people": {"count": 500, "no_email": "15%"},
                "services": {"apollo": {"latency": LATENCY, "async": "2s"}, "instantly": {"latency": LATENCY},
                             "apify": {"latency": LATENCY, "run": "3s", **(apify or {})}}}
    return FlowNight(scenario=scenario, pipelines={"p": pipeline}, edit=QUICKLY, factor=600,
                     campaigns={"demo": {"pipeline": pipeline.split("\n")[0].split(": ")[1], "vars": shipped_vars()}}, **more)


def test_search():
    """A run without a file: found page by page, bought by their ids, pushed; whoever has no address costs nothing."""
    with night(SEARCH) as it:
        run = it.post("/v1/runs", {"campaign": "demo", "params": {"country": "United States"}})["run"]
        end = it.wait_end(run)
        exported, ledger, report = it.export(run), it.ledger(run), it.report()
        wanted = len(exported)
        pages = sum(call["endpoint"] == "search" for call in ledger)
        print(end["outcomes"], "pages", pages)
        assert 200 < wanted < 400 and pages == (wanted + 99) // 100
        pushed = {lead["email"] for lead in report["pushed"]["leads"]}
        assert end["outcomes"]["delivered"] == len(pushed) == report["services"]["apollo"]["billed_calls"]
        assert pushed == {lead["fields"]["email"] for lead in exported if lead["outcome"] == "delivered"}
        assert {lead["reason"] for lead in exported if lead["outcome"] != "delivered"} == {"no-address"}
        assert not any("*" in lead["fields"]["last_name"] for lead in exported if lead["outcome"] == "delivered")
        proof.bill(ledger, report)
        proof.windows(it, report)


def scraped(it, count):
    run = it.post("/v1/runs", {"campaign": "demo", "params": {"count": str(count)}})["run"]
    end = it.wait_end(run)
    return end, it.export(run), it.ledger(run), it.report()


def test_scrape():
    """Started once, polled to its end, read page by page; the run's own word on its price is what was paid."""
    with night(SCRAPE) as it:
        end, exported, ledger, report = scraped(it, 450)
        print(end["outcomes"], {call["endpoint"]: call["settled_micro"] for call in ledger if call["settled_micro"]})
        apify = report["services"]["apify"]
        assert len(exported) == 450 and apify["billed_calls"] == 1 and apify["billed_micro"] == 450 * 1200
        assert sum(call["endpoint"] == "items" for call in ledger) == 3
        addresses = [lead["fields"]["email"] for lead in exported if lead["fields"].get("email")]
        assert 350 < len(addresses) < 410 and len(set(addresses)) == len(addresses)
        assert end["outcomes"]["delivered"] == len(addresses) == report["pushed"]["count"]
        proof.bill(ledger, report)
        proof.windows(it, report)


def test_scrape_killed():
    """Killed while the run is at work: it is found again by its name, not started anew."""
    with night(SCRAPE, {"run": "2s"}) as it:
        run = it.post("/v1/runs", {"campaign": "demo", "params": {"count": "30"}})["run"]
        while it.report()["services"]["apify"]["calls"] < 2:  # the start, and a first poll
            time.sleep(0.05)
        it.kill()
        it.start()
        end = it.wait_end(run)
        report = it.report()
        assert report["services"]["apify"]["billed_calls"] == 1
        assert end["total"] == 30 and end["outcomes"]["delivered"] == report["pushed"]["count"]


def test_waterfall():
    """What takes longer is asked for until it is there, when its word on waiting says so, and paid for by what it brought."""
    with night(WATERFALL) as it:
        run = it.run(30)
        end = it.wait_end(run)
        exported, ledger, report = it.export(run), it.ledger(run), it.report()
        apollo = report["services"]["apollo"]
        brought = sum(bool(lead["fields"].get("other_address")) for lead in exported)
        print(end["outcomes"], apollo["calls"], "calls", apollo["billed_calls"], "billed", apollo["answers"])
        assert 15 < brought < 30 and brought == apollo["billed_calls"] == end["outcomes"]["ready"]
        assert sum(call["settled_micro"] for call in ledger) == apollo["billed_micro"] == brought * 100_000
        assert sum(call["endpoint"] == "match_waterfall" for call in ledger) == 30
        assert apollo["calls"] <= 30 * 4, "polled more often than they said"
        proof.bill(ledger, report)
        proof.windows(it, report)
