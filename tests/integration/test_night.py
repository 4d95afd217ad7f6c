"""Whole nights with the real programs, nobody disturbing: what goes in comes out, once, and every sum agrees.

LEADD, LEADCTL and LEADSIM name the programs; LEADS=14k takes the large file for the night with faults.
"""

import gzip
import os

import pytest

import proof
from night import BASES, LEADS, QUICK, Night, calm

class Story:
    """All that a night left behind."""

    def __init__(self, night, data, seconds):
        self.night = night
        self.data = data
        self.run = night.start_run(data)
        self.shown = night.wait_end(self.run, seconds)
        self.exported = night.export(self.run)
        self.ledger = night.ledger(self.run)
        self.report = night.report()

    def holds(self):
        proof.one_outcome(self.data, self.exported)
        proof.sums(self.night, self.run, self.exported, self.ledger)
        proof.windows(self.night, self.report)
        proof.pushes(self.ledger, self.report)
        assert proof.repeats(self.ledger, self.report) == []
        return proof.bill(self.ledger, self.report)


@pytest.fixture(scope="module")
def quiet():
    """people-1000.csv, limits x 120, no faults."""
    with Night(scenario={"services": calm("100ms", "300ms")}, factor=120) as night:
        yield Story(night, (LEADS / "people-1000.csv").read_bytes(), 120)


def test_everything_adds_up(quiet):
    settled, billed, in_doubt = quiet.holds()
    assert (settled, in_doubt) == (billed, 0)
    assert len(quiet.ledger) == quiet.report["calls"]
    for name, service in quiet.report["services"].items():
        assert sum(call["service"] == name for call in quiet.ledger) == service["calls"]


def test_each_address_is_verified_once(quiet):
    expected = proof.usable(quiet.data)
    asked = [quiet.exported[call["parts"][0]["lead"] - 1]["fields"]["email"].lower()
             for call in quiet.ledger if call["service"] == "zerobounce"]
    assert len(asked) == len(set(asked)) == quiet.report["services"]["zerobounce"]["calls"]
    assert set(asked) == expected


def test_copies_of_a_row_name_the_first(quiet):
    first = {}
    copies = 0
    for lead in quiet.exported:
        address = (lead["fields"].get("email") or "").lower()
        if lead["outcome"] == "duplicate":
            timeline = quiet.night.get(f"/v1/leads/{quiet.run}/{lead['lead']}")["timeline"]
            assert timeline[0]["fields"]["duplicate_of"] == first[address]
            copies += 1
        elif "@" in address:
            first.setdefault(address, lead["lead"])
    assert copies == quiet.shown["outcomes"]["duplicate"] > 0


def test_what_was_pushed_is_what_was_confirmed(quiet):
    there = {lead["email"].lower() for lead in quiet.report["pushed"]["leads"]}
    assert there == {lead["fields"]["email"].lower() for lead in quiet.exported if lead["outcome"] == "confirmed"}
    assert quiet.report["pushed"]["count"] == quiet.shown["outcomes"]["confirmed"]


def test_the_binding_limit_is_used(quiet):
    share = proof.used(quiet.ledger, "zerobounce", 120, 3)
    print(f"zerobounce 120/3s: {share:.1%} used")
    assert share >= 0.97


def test_leadctl_says_the_same(quiet):
    shown, code = quiet.night.leadctl("run", "show", str(quiet.run))
    assert code == 0
    assert f"{quiet.shown['outcomes']['confirmed']}" in shown
    exported, code = quiet.night.leadctl("run", "export", str(quiet.run), "--format", "jsonl", "--output", "-")
    assert code == 0
    assert len(exported.splitlines()) == len(quiet.exported)


def test_every_twentieth_call_fails():
    large = os.environ.get("LEADS") == "14k"
    factor = 600 if large else 120
    data = gzip.decompress((LEADS / "people-14k.csv.gz").read_bytes()) if large else \
        (LEADS / "people-1000.csv").read_bytes()
    scenario = {"services": calm("60ms", "200ms"),
                "faults": {"retry_after": "1s", "slow": "1s", "drip_bytes": 128, "drip_every": "20ms"}}
    for name in BASES:
        scenario["services"][name]["random"] = {"rate": "5%"}
    with Night(scenario=scenario, factor=factor, edit=QUICK) as night:
        story = Story(night, data, 300)
        settled, billed, in_doubt = story.holds()
        share = proof.used(story.ledger, "zerobounce", factor, 3)
        faults = sum(sum(s["faults"].values()) for s in story.report["services"].values())
        print(f"{len(story.exported)} leads, {len(story.ledger)} calls, {faults} faults; settled {settled / 1e6} <= billed "
              f"{billed / 1e6} <= {(settled + in_doubt) / 1e6} USD; {share:.1%} of zerobounce {factor}/3s used")
        print({k: v for k, v in story.shown["outcomes"].items() if v})
        assert faults > 0.03 * len(story.ledger)
        assert story.shown["outcomes"]["failed"] < 0.01 * len(story.exported)
        parked = [lead for lead in story.exported if lead["outcome"] == "parked"]
        assert all(lead["reason"] == "in-doubt" for lead in parked)
        in_doubt = proof.doubts(story.ledger)
        assert all(any(len(calls) > 1 for (n, _), calls in in_doubt.items() if n == lead["lead"]) for lead in parked)
        assert share >= 0.97
