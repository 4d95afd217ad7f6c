"""Flow control of leadd on the wire: quota, isolation, throttling, keys, breaker, budgets, shares.

FLOW_LONG=1 plays the long forms.
"""

import json
import threading
import time
from email.utils import formatdate

import pytest
from flow_kit import LONG, FlowNight, Stub, one_stage, people, service, shipped_vars, stamp, wait
from night import calm

TURN_S = 0.05  # longest wait of a turn, and what the clocks of two programs may differ by


def demo(call, name="ask", **more):
    """Pipelines and campaigns of one stage that makes this call."""
    return {"pipelines": {name: one_stage(name, call, **more)}, "campaigns": {"demo": {"pipeline": name}}}


# --- the allowance is used up ---


def copied(night, run):
    """Addresses of the run's leads that have a copy."""
    return {lead["fields"]["email"] for lead in night.export(run) if lead["fields"].get("copy")}


def pushed(report):
    return {lead["email"] for lead in report["pushed"]["leads"]}


def test_quota_at_30_percent():
    """OpenAI's allowance ends at 30 % of the copies: one probe a second, the rest goes on, and so does the run later."""
    n = 1000 if LONG else 120
    away = 20 if LONG else 5
    scenario = {"services": calm()}
    scenario["services"]["zerobounce"]["verdicts"] = {
        k: "0%" for k in ("invalid", "catch-all", "unknown", "do_not_mail", "spamtrap", "abuse")}
    scenario["services"]["openai"] |= {
        "expected": n, "copy": {k: "0%" for k in ("short", "long", "signed", "placeholder", "refused")},
        "script": [{"fault": "quota", "from": "30%", "for": f"{away}s"}]}
    probe = [("call_id_header", "quota: {probe: 1s}\ncall_id_header")]
    with FlowNight(scenario=scenario, factor=600, edit={"openai": probe}) as night:
        run = night.run(n)
        shown = wait(lambda: (s := night.service("openai"))["keys"][0]["state"] == "parked" and s, what="parking")
        key = shown["keys"][0]
        assert key["cause"] == "quota" and "quota" in key["why"].lower()
        assert abs(stamp(key["since"]) - time.time()) < 5 and key["until"] is not None
        text, rc = night.leadctl("service", "show", "openai")
        assert rc == 0 and "parked" in text and "quota" in text and "exceeded your current quota" in text, text
        text, _ = night.leadctl("why", "run", str(run))
        assert "quota" in text, text

        def others_done():
            stages = {s["stage"]: s for s in night.get(f"/v1/runs/{run}")["stages"]}
            moving = [s for s in stages.values() if s["stage"] != "copy"]
            return all(s["waiting"] + s["in_flight"] + s["retrying"] == 0 for s in moving) and stages
        stages = wait(others_done, away - 0.5, "the end of the other stages")
        assert night.service("openai")["keys"][0]["state"] == "parked"
        assert stages["verify"]["ok"] == stages["research"]["ok"] + stages["research"]["empty"] == n
        assert stages["copy"]["waiting"] > 0.5 * n
        assert stages["push"]["ok"] == stages["copy"]["ok"]
        assert pushed(night.report()) == copied(night, run)

        end = night.wait_end(run, away + 60)
        assert end["outcomes"]["confirmed"] == n
        report = night.report()
        assert len(pushed(report)) == n and pushed(report) == copied(night, run) and report["pushed"]["doubled"] == 0
        assert report["repeats_p3"] == 0 and report["violations"] == 0
        calls = sorted((c for c in night.ledger(run) if c["service"] == "openai"), key=lambda c: c["call"])
        refused = [c for c in calls if c["outcome"] == "quota"]
        read = min(stamp(c["answered"]) for c in refused) + TURN_S
        good = min(stamp(c["answered"]) for c in calls if c["outcome"] == "ok" and stamp(c["granted"]) > read)
        probes = [stamp(c["granted"]) for c in calls if read < stamp(c["granted"]) < good]
        assert away - 1 <= len(probes) <= away + 2, probes
        assert all(b - a > 0.99 for a, b in zip(probes, probes[1:])), probes
        assert len(refused) == report["services"]["openai"]["answers"]["quota"]


# --- isolation ---


def two_campaigns(stub=None):
    """`first` and `second` share no service; both are bound by their limits."""
    prompt = {"system": "Write.", "prompt": "Name: ${.full_name}"}
    return {
        "pipelines": {
            "first": {"pipeline": "first", "stages": [
                {"stage": "verify", "call": "zerobounce.validate", "with": {"email": "${.email}"}},
                {"stage": "research", "call": "perplexity.research", "with": prompt}]},
            "second": {"pipeline": "second", "stages": [
                {"stage": "copy", "call": "openai.chat", "with": {**prompt, "model": "gpt-4o-mini"}},
                {"stage": "push", "push": "instantly.push", "needs": ["email"], "with": {
                    "campaign": "${.campaign.instantly_campaign}", "email": "${.email}"}}]}},
        "campaigns": {"first": {"pipeline": "first"}, "second": {"pipeline": "second", "vars": shipped_vars()}}}


def quantiles(seconds):
    """Median and p99 in milliseconds."""
    seconds = sorted(seconds)
    return 1000 * seconds[len(seconds) // 2], 1000 * seconds[int(len(seconds) * 0.99)]


def test_isolation():
    """A service of one run hangs for ever: the other run is not a twentieth slower, and status answers at once."""
    n = 600 if LONG else 80
    edit = {"openai": [("limit: [60/60s, 10000/day]", "limit: 10/1s, label: 60s")],
            "zerobounce": [("limits: [1/3s]", "limits: [10/1s]")],
            "instantly": [("limit: 100/60s", "limit: 100/1s")], "perplexity": [("limits: [50/60s]", "limits: [50/1s]")]}
    scenario = {"services": calm()}
    for name, limit in {"openai": "10/1s", "zerobounce": "10/1s", "instantly": "100/1s", "perplexity": "50/1s"}.items():
        scenario["services"][name]["limits"] = [limit]
    hang = json.dumps({"services": {"perplexity": {"script": [{"fault": "hang"}]}}}).encode()
    took, times, tool, bare = [], [], [], []
    with FlowNight(scenario=scenario, factor=1, edit=edit, **two_campaigns()) as night:
        for disturbed in (False, True):
            if disturbed:
                night.sim_request("POST", "/_sim/scenario", hang)
                first = night.run(3 * n, campaign="first", start=20000)
                wait(lambda: night.service("perplexity")["in_flight"] > 5)
            time.sleep(1.1)  # the windows are empty again
            begun = time.monotonic()
            run = night.run(n, campaign="second", start=10000 * disturbed)
            while night.get(f"/v1/runs/{run}")["state"] != "done":
                if disturbed:
                    at = time.monotonic()
                    night.get("/v1/status")
                    times.append(time.monotonic() - at)
                    at = time.monotonic()
                    text, rc = night.leadctl("status")
                    tool.append(time.monotonic() - at)
                    assert rc == 0, text
                    at = time.monotonic()
                    night.leadctl("--version")
                    bare.append(time.monotonic() - at)
                time.sleep(0.02)
                assert time.monotonic() - begun < n, "the second run stands still"
            took.append(time.monotonic() - begun)
        assert night.get(f"/v1/runs/{first}")["state"] == "running"
        assert night.service("perplexity")["in_flight"] == 64
        assert night.report()["violations"] == 0
    (p50, p99), (tool50, tool99), (bare50, bare99) = quantiles(times), quantiles(tool), quantiles(bare)
    print(f"alone {took[0]:.2f} s, beside {took[1]:.2f} s ({took[1] / took[0] - 1:+.1%}); {len(times)} times status: "
          f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; leadctl status {tool50:.1f}, {tool99:.1f}; "
          f"of these, starting leadctl {bare50:.1f}, {bare99:.1f}")
    assert took[0] > n / 10 - 1.2
    assert took[1] < took[0] * 1.05
    assert p99 < 50
    assert tool99 < 50 + bare99  # what the machine needs to start any program is not leadd's
