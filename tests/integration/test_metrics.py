"""What a monitoring system reads: strictly well-formed, true, of bounded size, and without a word of any lead."""

import shutil
import subprocess

import metrics
import pytest
from flow_kit import FlowNight, Stub, one_stage, people, service, wait
from night import CAMPAIGN, Night, calm


def scrape(night):
    text, rc = night.leadctl("metrics")
    assert rc == 0
    return text, metrics.parse(text)


def test_strict():
    """The reader refuses what Prometheus would refuse."""
    good = "# HELP leadd_x a\n# TYPE leadd_x gauge\nleadd_x{a=\"b\"} 1\n"
    assert metrics.parse(good)["leadd_x"] == {(("a", "b"),): 1}
    head = "# HELP leadd_h a\n# TYPE leadd_h histogram\n"
    for bad in (good[:-1], good + "leadd_x{a=\"b\"} 2\n", good.replace("1\n", "one\n"), good.replace('"b"', '"b"b"'),
                "leadd_x 1\n", good.replace("gauge", "counter"), good + good, good + "leadd_y 1\n",
                head + 'leadd_h_bucket{le="1"} 2\nleadd_h_bucket{le="+Inf"} 1\nleadd_h_sum 1\nleadd_h_count 1\n',
                head + 'leadd_h_bucket{le="1"} 1\nleadd_h_sum 1\nleadd_h_count 1\n'):
        with pytest.raises((AssertionError, KeyError)):
            metrics.parse(bad)


def test_fresh():
    """A daemon that has done nothing tells everything already, as zeros."""
    with Night() as night:
        _, found = scrape(night)
        for name in ("zerobounce", "perplexity", "openai", "instantly"):
            assert metrics.value(found, "leadd_service_calls_total", service=name, outcome="ok") == 0
            assert metrics.value(found, "leadd_service_call_seconds_count", service=name) == 0
        assert metrics.value(found, "leadd_budget_limit_micro", scope="campaign", name="demo", period="total") == 1000e6
        assert metrics.value(found, "leadd_budget_used_micro", scope="campaign", name="demo", period="total", state="settled") == 0
        assert metrics.value(found, "leadd_taking_work") == 1


def test_night():
    """After a night the figures are those of the ledger and the run; who scrapes more leads gets no more series."""
    with Night(scenario={"services": calm()}) as night:
        before, first = scrape(night)
        run = night.start_run(people(40))
        end = night.wait_end(run, 60)
        text, found = scrape(night)
        summary = night.get("/v1/ledger/summary")
        for s in summary["services"]:
            assert metrics.value(found, "leadd_service_settled_micro_total", service=s["service"]) == s["settled_micro"]
            assert metrics.value(found, "leadd_service_call_seconds_count", service=s["service"]) == sum(
                v for k, v in found["leadd_service_calls_total"].items() if dict(k)["service"] == s["service"])
            called = metrics.value(found, "leadd_service_call_seconds_count", service=s["service"]) > 0
            assert (metrics.value(found, "leadd_service_call_seconds_sum", service=s["service"]) > 0) == called
        for outcome, n in end["outcomes"].items():
            assert metrics.value(found, "leadd_leads", outcome=outcome) == n
        assert metrics.value(found, "leadd_leads", outcome="open") == 0
        assert metrics.value(found, "leadd_runs", state="done") == 1
        for stage in night.get(f"/v1/runs/{run}")["stages"]:
            assert metrics.value(found, "leadd_stage_leads", stage=stage["stage"], state="ok", pipeline="cold-email") == stage["ok"]
            assert metrics.value(found, "leadd_stage_calls_total", stage=stage["stage"], pipeline="cold-email") == stage["calls"]
        assert metrics.value(found, "leadd_budget_used_micro", scope="campaign", name="demo", period="total",
                             state="settled") == summary["settled_micro"]
        assert sum(found["leadd_service_in_flight_calls"].values()) == 0
        assert first.keys() == found.keys()
        assert all(first[name].keys() == found[name].keys() for name in found)
        assert "@" not in text and CAMPAIGN not in text and "people.csv" not in text


def test_states():
    """A pause, a limit changed by hand and a full window are seen; a limit keeps its series."""
    with Stub() as stub, FlowNight(services={"stub": service("stub", stub, limits=["5/1h"])}, pipelines={"ask": one_stage("ask", "stub.ask")},
                                   campaigns={"demo": {"pipeline": "ask"}}, with_sim=False, factor=1) as night:
        night.start_run(people(9))
        wait(lambda: len(stub.times()) == 5 and night.get("/v1/status")["in_flight"] == 0)
        _, found = scrape(night)
        window = {"service": "stub", "window": "5/60min"}
        assert metrics.value(found, "leadd_window_limit_calls", **window) == 5
        assert metrics.value(found, "leadd_window_remaining_calls", **window) == 0
        assert metrics.value(found, "leadd_window_used_calls", **window) == 5
        assert metrics.value(found, "leadd_service_waiting_leads", service="stub") == 4
        assert night.leadctl("service", "limit", "stub", "6/1h")[1] == 0
        assert night.leadctl("service", "pause", "stub")[1] == 0
        _, found = scrape(night)
        assert metrics.value(found, "leadd_window_limit_calls", **window) == 6
        assert metrics.value(found, "leadd_service_paused", service="stub") == 1
        assert metrics.value(found, "leadd_service_breaker", service="stub", state="closed") == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (package prometheus) is not installed")
def test_promtool():
    """promtool finds nothing to say: 0; 3 would be a finding of its lint, 1 a text it cannot read."""
    with Night(scenario={"services": calm()}) as night:
        night.wait_end(night.start_run(people(10)), 60)
        text, _ = scrape(night)
        told = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert told.returncode == 0, told.stdout + told.stderr
