"""Flow control of leadd on the wire: quota, isolation, throttling, keys, breaker, budgets, shares.

FLOW_LONG=1 plays the long forms.
"""

import collections
import json
import threading
import time
from email.utils import formatdate

import pytest
from flow_kit import LONG, FlowNight, Stub, good_world, one_stage, service, shipped_vars, stamp, wait
from night import ROOT

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
    scenario = {"services": good_world()}
    scenario["services"]["openai"] |= {"expected": n, "script": [{"fault": "quota", "from": "30%", "for": f"{away}s"}]}
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
    edit = {"openai": [("limit: [60/60s, 10000/day]", "limit: 20/2s, label: 60s")],
            "zerobounce": [("limits: [1/3s]", "limits: [20/2s]")],
            "instantly": [("limit: 100/60s", "limit: 100/1s")], "perplexity": [("limits: [50/60s]", "limits: [50/1s]")]}
    scenario = {"services": good_world()}
    for name, limit in {"openai": "20/2s", "zerobounce": "20/2s", "instantly": "100/1s", "perplexity": "50/1s"}.items():
        scenario["services"][name]["limits"] = [limit]
    hang = json.dumps({"services": {"perplexity": {"script": [{"fault": "hang"}]}}}).encode()
    took, times, tool, bare = [], [], [], []
    with FlowNight(scenario=scenario, factor=1, edit=edit, **two_campaigns()) as night:
        for disturbed in (False, True):
            if disturbed:
                night.sim_request("POST", "/_sim/scenario", hang)
                first = night.run(3 * n, campaign="first", start=20000)
                wait(lambda: night.service("perplexity")["in_flight"] > 5)
            time.sleep(2.1)  # the windows are empty again
            begun = time.monotonic()
            run = night.run(n, campaign="second", start=10000 * disturbed)
            while (shown := night.get(f"/v1/runs/{run}"))["state"] != "done":
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
            took.append(stamp(shown["ended"]) - stamp(shown["started"]))
        assert night.get(f"/v1/runs/{first}")["state"] == "running"
        assert night.service("perplexity")["in_flight"] == 64
        assert night.report()["violations"] == 0
    (p50, p99), (tool50, tool99), (bare50, bare99) = quantiles(times), quantiles(tool), quantiles(bare)
    print(f"alone {took[0]:.2f} s, beside {took[1]:.2f} s ({took[1] / took[0] - 1:+.1%}); {len(times)} times status: "
          f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; leadctl status {tool50:.1f}, {tool99:.1f}; "
          f"of these, starting leadctl {bare50:.1f}, {bare99:.1f}")
    assert took[0] > n / 10 - 2.1
    assert took[1] < took[0] * 1.05
    assert p99 < 50
    assert tool99 < 50 + 1.5 * bare99  # what the machine needs to start any program is not leadd's


# --- too fast ---

WAIT_S = 1.5
FORMS = {
    "seconds": (lambda: {"Retry-After": "2"}, None, 2.0),
    "fraction": (lambda: {"Retry-After": "1.5"}, None, WAIT_S),
    "date": (lambda: {"Retry-After": formatdate(time.time() + 2, usegmt=True), "Date": formatdate(time.time(), usegmt=True)},
             None, 2.0),
    "skewed-date": (lambda: {"Retry-After": formatdate(5002, usegmt=True), "Date": formatdate(5000, usegmt=True)}, None, 2.0),
    "ms": (lambda: {"Retry-After-Ms": "1500", "Retry-After": "60"},
           {"header": "retry-after-ms", "tells": "retry-after", "unit": "ms"}, WAIT_S),
    "go": (lambda: {"X-Reset": "1s500ms"}, {"header": "x-reset", "tells": "retry-after", "unit": "go"}, WAIT_S),
    "epoch": (lambda: {"X-Reset": str(int(time.time()) + 2), "Date": formatdate(int(time.time()), usegmt=True)},
              {"header": "x-reset", "tells": "retry-after", "unit": "epoch"}, 2.0),
    "epoch-ms": (lambda: {"X-Reset": str(int(time.time() * 1000) + 2500)},
                 {"header": "x-reset", "tells": "retry-after", "unit": "epoch-ms"}, WAIT_S),
    "rfc3339": (lambda: {"X-Reset": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)),
                         "Date": formatdate(time.time(), usegmt=True)},
                {"header": "x-reset", "tells": "retry-after", "unit": "date"}, 2.0),
    "body": (lambda: {}, {"body": ".wait", "tells": "retry-after"}, WAIT_S),
    "draft": (lambda: {"RateLimit": '"burst";r=0;t=2'},
              {"header": "ratelimit", "item": "burst", "field": "t", "tells": "retry-after"}, 2.0),
    "rule": (lambda: {}, None, WAIT_S),  # wait: in the service file
    "none": (lambda: {}, None, 0.0),
    "nonsense": (lambda: {"Retry-After": "soon"}, None, 0.0),
    "negative": (lambda: {"Retry-After": "-5"}, None, 0.0),
}


def test_throttle_forms():
    """After three 429 in a row nothing comes before the wait that was asked for, in whatever form, nor much later."""
    told, seen = {}, collections.Counter()

    def answer(asked):
        form = asked.path[1:]
        seen[form] += 1
        if seen[form] <= 3:
            if seen[form] == 3:
                told[form] = asked.at
            return 429, FORMS[form][0](), {"wait": WAIT_S, "error": "too fast"}
        return 200, {}, {"text": "good"}

    with Stub(answer) as stub:
        services, pipelines, campaigns = {}, {}, {}
        for form, (_, hint, _) in FORMS.items():
            ask = {"post": f"/{form}", "json": {"email": "${.email}"}, "map": {"text": ".text"}}
            if hint is not None:
                ask["hints"] = [hint]
            if form == "rule":
                ask["outcomes"] = [{"status": 429, "is": "throttle", "wait": "1500ms"}]
            services[form] = service(form, stub, {"ask": ask}, retry={"throttle": {"base": "100ms", "cap": "1s"}})
            services[form]["concurrency"] = 1
            pipelines[form] = one_stage(form, f"{form}.ask")
            campaigns[form] = {"pipeline": form}
        with FlowNight(services=services, pipelines=pipelines, campaigns=campaigns, with_sim=False, factor=1) as night:
            runs = {form: night.run(10, campaign=form) for form in FORMS}
            wait(lambda: len(told) == len(FORMS))
            time.sleep(0.3)
            shown = night.service("seconds")
            assert shown["binding"] == "throttle" and shown["keys"][0]["throttled_until"] is not None, shown
            text, _ = night.leadctl("why", "run", str(runs["seconds"]))
            assert "seconds asked to wait" in text, text
            for form, run in runs.items():
                end = night.wait_end(run, 60)
                assert end["outcomes"]["ready"] == 10, form
                waited = stub.times(f"/{form}")[3] - told[form]
                asked = FORMS[form][2]
                # dates have whole seconds: up to one less
                least = asked - (1 if form in ("date", "epoch", "rfc3339") else 0) - 0.01
                assert least <= waited <= asked + 1.2, (form, waited)
                assert len(stub.times(f"/{form}")) == 13
                assert night.service(form)["calls"] == {"ok": 10, "throttle": 3}
                assert night.service(form)["keys"][0]["breaker"]["failures"] == 0


def test_throttle_holds_all():
    """100 calls in flight are throttled together: one wait for all; without a word each further wait doubles."""
    begun = time.monotonic()

    def answer(asked):
        return (429, {}, {}) if time.monotonic() - begun < 4 else (200, {}, {"text": "good"})

    with Stub(answer) as stub:
        files = {"stub": service("stub", stub, concurrency=20, retry={"throttle": {"base": "200ms", "cap": "2s"}})}
        with FlowNight(services=files, **demo("stub.ask"), with_sim=False, factor=1) as night:
            begun = time.monotonic()
            run = night.run(100)
            night.wait_end(run, 60)
            throttled = night.service("stub")["calls"]["throttle"]
            # 20 at once, then a burst for each wait of 100, 200, 400, 800 … ms on average; the waits are diced
            assert 20 <= throttled <= 20 * 14, throttled
            assert night.service("stub")["calls"]["ok"] == 100


# --- keys ---


def two_keys(stub, group=None, **more):
    keys = [{"name": k, "secret": f"secret-{k}", **({"group": group} if group else {})} for k in ("a", "b")]
    return {"services": {"stub": service("stub", stub, **{"keys": keys, **more})}, **demo("stub.ask"),
            "secrets": {"secret-a": "aaa", "secret-b": "bbb"}, "with_sim": False, "factor": 1}


def most_in(times, window):
    """The largest count in any window of that length."""
    times = sorted(times)
    return max(sum(1 for t in times[i:] if t < at + window) for i, at in enumerate(times))


def by_key(stub, key):
    with stub.lock:
        return [a.at for a in stub.asked if a.key == key]


def test_keys_take_turns():
    """Two keys have two allowances, each kept; two keys of one group share one."""
    for group, most in ((None, 20), ("both", 10)):
        with Stub() as stub, FlowNight(**two_keys(stub, group, limits=["10/1s"])) as night:
            begun = time.monotonic()
            run = night.run(60)
            night.wait_end(run, 60)
            took = time.monotonic() - begun
            a, b = by_key(stub, "aaa"), by_key(stub, "bbb")
            assert abs(len(a) - len(b)) <= 10, (len(a), len(b))
            assert most_in(a + b, 0.99) <= most
            assert most_in(a, 0.99) <= 10 and most_in(b, 0.99) <= 10
            assert took < (2.5 if group is None else 5.5) + 1, took
            assert took > (2 if group is None else 5), took


def test_three_keys_two_groups():
    """Keys a and b share an allowance, c has its own; the audit counts by allowance, not by key."""
    keys = [{"name": k, "secret": f"secret-{k}", "group": g} for k, g in (("a", "one"), ("b", "one"), ("c", "two"))]
    with Stub() as stub, FlowNight(**{**two_keys(stub, keys=keys, limits=["10/1s"]),
                                      "secrets": {f"secret-{k}": k * 3 for k in "abc"}}) as night:
        run = night.run(60)
        night.wait_end(run, 60)
        one, two = by_key(stub, "aaa") + by_key(stub, "bbb"), by_key(stub, "ccc")
        assert len(by_key(stub, "aaa")) > 5 and len(by_key(stub, "bbb")) > 5
        assert most_in(one, 0.99) <= 10 and most_in(two, 0.99) <= 10
        audit = {a["key"]: a for a in night.get("/v1/limits/audit")["items"] if a["service"] == "stub"}
        assert {k: a["calls"] for k, a in audit.items()} == {"one": len(one), "two": len(two)}
        assert audit["one"]["worst"] == audit["two"]["worst"] == 10


def test_keys_quota():
    """Key a is used up: b does the rest. In a group both rest."""
    for group in (None, "both"):
        def answer(asked):
            spent = asked.key == "aaa" and len(by_key_unlocked(stub, "aaa")) > 5
            return (402, {}, {"message": "no credits left"}) if spent else (200, {}, {"text": "good"})

        def by_key_unlocked(stub, key):
            return [a for a in stub.asked if a.key == key]
        with Stub(answer) as stub, FlowNight(**two_keys(stub, group, limits=["10/200ms"], concurrency=1)) as night:
            run = night.run(40)
            if group is None:
                assert night.wait_end(run, 30)["outcomes"]["ready"] == 40
                keys = {k["key"]: k for k in night.service("stub")["keys"]}
                assert keys["a"]["state"] == "parked" and keys["a"]["cause"] == "quota" and keys["b"]["state"] == "ready"
                assert keys["a"]["why"] == "no credits left"
                assert len(by_key(stub, "aaa")) == 6 and len(by_key(stub, "bbb")) == 35
            else:
                wait(lambda: night.service("stub")["keys"][0]["state"] == "parked")
                time.sleep(0.5)
                asked = len(stub.times())
                time.sleep(0.5)
                assert len(stub.times()) == asked  # not one more on either
                assert all(k["state"] == "parked" for k in night.service("stub")["keys"])
                assert night.get(f"/v1/runs/{run}")["state"] == "running"
                stub.answer = lambda asked: (200, {}, {"text": "good"})
                text, rc = night.leadctl("service", "reset", "stub")
                assert rc == 0, text
                assert night.wait_end(run, 30)["outcomes"]["ready"] == 40


def test_auth_parks_one_key():
    """A refused key rests alone, with its probes; with both refused the run waits, and a new key with a reset frees it."""
    refused = {"aaa"}

    def answer(asked):
        return (401, {}, {"message": "bad key"}) if asked.key in refused else (200, {}, {"text": "good"})
    with Stub(answer) as stub, FlowNight(**two_keys(stub, "both", limits=["20/1s"], quota={"probe": "1s"})) as night:
        begun = time.monotonic()
        run = night.run(60)
        assert night.wait_end(run, 30)["outcomes"]["ready"] == 60
        took = time.monotonic() - begun
        keys = {k["key"]: k for k in night.service("stub")["keys"]}
        assert (keys["a"]["state"], keys["a"]["cause"], keys["b"]["state"]) == ("parked", "auth", "ready")
        assert len(by_key(stub, "bbb")) == 60
        first = [t for t in by_key(stub, "aaa") if t - by_key(stub, "aaa")[0] < 0.5]  # in flight before the first answer
        assert len(first) <= 20
        assert len(by_key(stub, "aaa")) - len(first) <= took + 1
        refused |= {"bbb"}
        run = night.run(20, start=100)
        wait(lambda: all(k["cause"] == "auth" for k in night.service("stub")["keys"]))
        text, _ = night.leadctl("why", "run", str(run))
        assert "key" in text, text
        (night.folder / "secrets" / "secret-b").write_text("ccc\n")
        assert night.reload()["applied"]
        wait(lambda: len(by_key(stub, "ccc")) > 0, 5, "a call with the new key")
        assert night.wait_end(run, 30)["outcomes"]["ready"] == 20
        assert night.get("/v1/services/stub")["calls"]["ok"] == 80


# --- the breaker ---


def breaker(stub, **more):
    return service("stub", stub, concurrency=1, breaker={"failures": 5, "open": "1s", "probe": "1s"},
                   retry={"transient": {"attempts": 0, "base": "1ms", "cap": "10ms"},
                          "throttle": {"base": "1ms", "cap": "2ms"}}, **more)


@pytest.mark.parametrize("fault", ["500", "html", "reset"])
def test_breaker(fault):
    """Five failures in a row: nothing for a second, one probe, nothing for a second, one probe that closes it."""
    bad = {"500": (500, {}, {"error": "x"}), "html": (502, {"Content-Type": "text/html"}, "<html>"), "reset": Stub.RESET}[fault]
    with Stub(lambda asked: bad) as stub:
        calls = {"ask": {"post": "/ask", "json": {"email": "${.email}"}, "in_doubt": {"repeat": 10}, "map": {"text": ".text"}}}
        with FlowNight(services={"stub": breaker(stub, calls=calls)}, **demo("stub.ask"), with_sim=False, factor=1) as night:
            run = night.run(20)
            shown = wait(lambda: (s := night.service("stub"))["keys"][0]["breaker"]["state"] == "open" and s)
            assert len(stub.times()) == 5 and shown["keys"][0]["breaker"]["failures"] == 5
            text, _ = night.leadctl("why", "run", str(run))
            assert "breaker open" in text, text
            wait(lambda: len(stub.times()) == 6, 3, "the probe")
            time.sleep(0.3)
            stub.answer = lambda asked: (200, {}, {"text": "good"})
            assert len(stub.times()) == 6
            end = night.wait_end(run, 30)
            assert end["outcomes"]["ready"] == 20
            at = stub.times()
            assert 0.99 < at[5] - at[4] < 1.3 and 0.99 < at[6] - at[5] < 1.3, [b - a for a, b in zip(at, at[1:])]
            assert len(at) == 26
            state = night.service("stub")["keys"][0]["breaker"]
            assert state["state"] == "closed" and state["failures"] == 0


def test_breaker_hears_no_verdicts():
    """Throttle, not found, empty, refusal, duplicate: all of them answers, whatever they say."""
    answers = [(404, {}, {}), (429, {"Retry-After": "0"}, {}), (409, {}, {}), (422, {}, {"x": 1}), (200, {}, {"none": 1})]

    def answer(asked):
        return answers[len(stub.asked) % len(answers)]
    rules = [{"status": 409, "is": "duplicate"}, {"status": 422, "is": "refusal"},
             {"status": 200, "body": {".none": {"present": True}}, "is": "empty"}]
    with Stub(answer) as stub:
        files = {"stub": breaker(stub, outcomes=rules)}
        with FlowNight(services=files, **demo("stub.ask"), with_sim=False, factor=1) as night:
            run = night.run(40)
            night.wait_end(run, 60)
            shown = night.service("stub")
            assert shown["keys"][0]["breaker"] == {"state": "closed", "failures": 0, "opened": 0, "until": None}
            assert set(shown["calls"]) == {"permanent", "throttle", "duplicate", "refusal", "empty"}


# --- money ---

CENT = 10_000  # micro


class Watched(threading.Thread):
    """Reads a run's sums as fast as it can; the largest is kept."""

    def __init__(self, night, path):
        super().__init__(daemon=True)
        self.night, self.path = night, path
        self.most, self.reads, self.stop = 0, 0, False
        self.start()

    def run(self):
        while not self.stop:
            s = self.night.get(self.path)
            self.most = max(self.most, s["settled_micro"] + s["reserved_micro"] + s["in_doubt_micro"])
            self.reads += 1

    def end(self):
        self.stop = True
        self.join()
        return self.most


def costly(asked):
    """Every fourth is lost after it was sent: in doubt, and counted as paid."""
    return Stub.RESET if sum(map(ord, asked.body["email"])) % 4 == 0 else (200, {}, {"text": "good"})


def committed(night, run):
    return sum(p["settled_micro"] if c["state"] in ("settled", "in-doubt") else p["reserved_micro"]
               for c in night.ledger(run) for p in c["parts"] if c["state"] != "refunded")


def test_run_budget():
    """64 at once, a fourth of them in doubt, never a cent above; what there is no money for is parked and says why, also
    after a restart, and is not called for before somebody gives more."""
    with Stub(costly) as stub:
        files = {"stub": service("stub", stub, concurrency=64, breaker="off")}
        with FlowNight(services=files, **demo("stub.ask"), with_sim=False, factor=1) as night:
            run = night.run(200, budget_micro=73 * CENT + 5000)
            watched = Watched(night, f"/v1/ledger/summary?run={run}")
            end = night.wait_end(run, 30)
            most = watched.end()
            assert most == 73 * CENT and watched.reads > 5
            assert committed(night, run) == 73 * CENT and len(stub.times()) == 73
            assert end["state"] == "done" and end["open"] == 0 and end["outcomes"]["parked"] >= 200 - 73
            parked = night.items(f"/v1/runs/{run}/leads?outcome=parked")
            assert {lead["reason"] for lead in parked} == {"not-started: budget", "unfinished: budget"}
            assert "not-started: budget" in night.get(f"/v1/why/lead/{run}/200")["binding"]["text"]
            night.stop()
            night.start()
            text, rc = night.leadctl("run", "retry", str(run), "--outcome", "parked")
            assert rc == 0, text
            assert night.wait_end(run, 30)["outcomes"] == end["outcomes"]
            assert committed(night, run) == 73 * CENT and len(stub.times()) == 73


@pytest.mark.parametrize("whose", ["campaign", "organisation", "service", "campaign-day"])
def test_budget_raised_by_reload(whose):
    """What stands in a configuration's budget holds all its runs together. A day's budget is waited for and, raised by a
    reload, the runs go on by themselves; where nothing ever comes they end, and go on when they are told to."""
    with Stub() as stub:
        night = FlowNight(services={"stub": service("stub", stub)}, **demo("stub.ask"), with_sim=False, factor=1)
        campaign = night.campaigns["demo"]
        by_day = whose == "campaign-day"
        if whose == "service":
            night.settings["services"] = {"stub": {"budget": {"total": 0.3}}}
        elif whose == "organisation":
            campaign["organisation"] = "acme"
            night.settings["organisations"] = {"acme": {"budget": {"total": 0.3}}}
        else:
            campaign["budget"] = {"day" if by_day else "total": 0.3}
        with night:
            runs = [night.run(25), night.run(25, start=100)]

            def ends():
                for run in runs:
                    assert night.wait_end(run, 30)["open"] == 0

            def retry():
                for run in runs:
                    text, rc = night.leadctl("run", "retry", str(run), "--outcome", "parked")
                    assert rc == 0, text

            wait(lambda: len(stub.times()) == 30)
            if by_day:
                time.sleep(0.3)
                text, _ = night.leadctl("why", "run", str(runs[0]))
                other, _ = night.leadctl("why", "run", str(runs[1]))
                assert "the budget of the campaign" in text + other, text + other
            else:
                ends()
                parked = [lead for run in runs for lead in night.export(run) if lead["outcome"] == "parked"]
                assert len(parked) == 20 and {lead["reason"] for lead in parked} == {"not-started: budget"}
            assert len(stub.times()) == 30
            night.change("leadd.yaml", " 0.3", " 0.1")  # below what is spent: nothing but no more
            assert night.reload()["applied"]
            if by_day:
                time.sleep(0.2)
            else:
                retry()
                ends()
            assert len(stub.times()) == 30
            night.change("leadd.yaml", " 0.1", " 0.7")
            text, rc = night.leadctl("reload")
            assert rc == 0 and "0.10 -> 0.70" in text and "budget" in text, text
            if not by_day:
                retry()
            for run in runs:
                assert night.wait_end(run, 30)["outcomes"]["ready"] == 25
            assert len(stub.times()) == 50


def test_overbilled():
    """A bill above the ceiling is settled in full, and nobody calls that service until a person says so."""
    with Stub(lambda asked: (200, {}, {"text": "good", "price": 0.05 if len(stub.asked) == 10 else 0.004})) as stub:
        calls = {"ask": {"post": "/ask", "json": {"email": "${.email}"}, "price": {"body": ".price", "ceiling": 0.01},
                         "in_doubt": {"repeat": 1}, "map": {"text": ".text"}}}
        files = {"stub": service("stub", stub, calls, concurrency=1)}
        with FlowNight(services=files, **demo("stub.ask"), with_sim=False, factor=1) as night:
            run = night.run(30)
            wait(lambda: night.service("stub")["keys"][0]["cause"] == "overbilled")
            time.sleep(0.3)
            assert len(stub.times()) == 10
            assert night.get(f"/v1/runs/{run}")["settled_micro"] == 9 * 4000 + 50_000
            night.stop()
            night.start()
            time.sleep(0.3)
            key = night.service("stub")["keys"][0]
            assert key["cause"] == "overbilled" and "above its price ceiling" in key["why"] and len(stub.times()) == 10
            assert night.leadctl("service", "reset", "stub")[1] == 0
            assert night.wait_end(run, 30)["outcomes"]["ready"] == 30


# --- whose turn it is ---


def test_fair_shares():
    """Shares 1 and 3 of a service that is bound by its limit; a run of a higher priority goes before both."""
    with Stub() as stub:
        files = {"stub": service("stub", stub, limits=["40/500ms"])}
        with FlowNight(services=files, **demo("stub.ask"), with_sim=False, factor=1) as night:
            one = night.run(200, share=1, paused=True)
            three = night.run(200, start=1000, share=3, paused=True)
            urgent = night.run(40, start=2000, share=1, priority=10, paused=True)
            for run in (one, three, urgent):
                wait(lambda: not night.get(f"/v1/runs/{run}")["importing"])
            night.post("/v1/services/stub/pause")
            for run in (one, three):
                night.post(f"/v1/runs/{run}/resume")
            night.post("/v1/services/stub/resume")
            end = wait(lambda: (r := night.get(f"/v1/runs/{three}"))["outcomes"]["ready"] >= 100 and r)
            night.post(f"/v1/runs/{urgent}/resume")
            night.wait_end(urgent, 30)
            done = [night.get(f"/v1/runs/{r}")["outcomes"]["ready"] for r in (one, three)]
            assert 100 <= end["outcomes"]["ready"] <= done[1] <= end["outcomes"]["ready"] + 40
            assert abs(done[0] - done[1] / 3) <= 3, done
            for run in (one, three):
                assert night.wait_end(run, 60)["outcomes"]["ready"] == 200
            calls = night.ledger(one)
            assert len(calls) == 200


# --- copies ---

FAIR = ("I have been reading about your work and liked what I saw there last week. We take over small routine jobs with the "
        "tools that a team already uses, so that everybody gets the afternoons back for what matters. Most people start with "
        "one small thing and see what happens. Would ten minutes next week suit you to look at one of them?")
#         first name: (answers of the first model, answers of the second, whose text counts)
COPIES = {"Ann": (["good"], [], "gpt-4o-mini"),
          "Bob": (["gone"], ["good"], "gpt-3.5-turbo"),          # fails for good: the next at once
          "Carla": (["gone"], ["gone"], "template"),
          "David": (["short", "good"], [], "gpt-4o-mini"),       # refused by a gate: once more, then the next
          "Emma": (["short", "signed"], ["good"], "gpt-3.5-turbo"),
          "Frank": (["short", "placeholder"], ["signed", "short"], "template"),
          "Grace": (["refused"], ["good"], "gpt-3.5-turbo"),     # the model declined: the next at once
          "Henry": (["500", "500", "good"], [], "gpt-4o-mini"),
          "Irene": (["500", "500", "500"], ["good"], "gpt-3.5-turbo"),
          "Jacob": (["empty", ], ["cut"], "template")}


def model_answer(stub):
    texts = {"good": "Hi, " + FAIR, "short": "Hi there.", "signed": "Hi, " + FAIR[:-60] + " Best regards, Eva",
             "placeholder": "Hi [Name], " + FAIR[:-40]}

    def answer(asked):
        person = asked.body["messages"][1]["content"].split("Full name: ")[1].split("\n")[0]
        model = asked.body["model"]
        so_far = sum(1 for a in stub.asked if a.body["model"] == model and f"Full name: {person}\n" in
                     a.body["messages"][1]["content"])
        wanted = COPIES[person.split()[0]][model != "gpt-4o-mini"]
        what = wanted[so_far - 1] if so_far <= len(wanted) else "gone"
        if what == "gone":
            return 404, {}, {"error": {"code": "model_not_found", "message": "no such model"}}
        if what == "500":
            return 500, {}, {"error": {"message": "sorry"}}
        message = {"content": texts.get(what, "Hi"), "refusal": "No." if what == "refused" else None}
        if what == "empty":
            message["content"] = None
        return 200, {}, {"choices": [{"message": message, "finish_reason": "length" if what == "cut" else "stop"}],
                         "model": model + "-2024-07-18", "usage": {"prompt_tokens": 300, "completion_tokens": 80}}
    return answer


def test_copies():
    """Models in turn, texts refused by gates, and a marked template at the end: the right number of calls each, and always a
    text that passes."""
    n = 50
    with Stub() as stub:
        stub.answer = model_answer(stub)
        edit = {"openai": [("timeout: {total: 120s}", "timeout: {total: 120s}\nretry: {transient: {attempts: 3, base: 10ms, cap: 50ms}}"
                            "\nbreaker: off")]}
        with FlowNight(scenario={"services": good_world()}, factor=600, edit=edit, bases={"openai": stub.base}) as night:
            run = night.run(n)
            end = night.wait_end(run, 60)
            assert end["outcomes"]["confirmed"] == n, end["outcomes"]
            for lead in night.export(run):
                first, last = lead["fields"]["first_name"], lead["fields"]["last_name"]
                mine, other, model = COPIES[first]
                assert lead["fields"]["copy_model"].startswith(model), (first, lead["fields"])
                asked = [a.body["model"] for a in stub.asked if f"Full name: {first} {last}\n" in a.body["messages"][1]["content"]]
                assert asked == ["gpt-4o-mini"] * len(mine) + ["gpt-3.5-turbo"] * len(other), (first, asked)
                assert 50 <= len(lead["fields"]["copy"].split()) <= 70
                assert lead["fields"]["copy"].startswith("Hi, I have" if model != "template" else f"Hi {first}, I have")
            detail = night.get(f"/v1/leads/{run}/6")  # Frank
            steps = [(t["step"], t["outcome"], t["reason"]) for t in detail["timeline"] if t["stage"] == "copy"]
            assert [r for _, _, r in steps if r] == ["copy-short", "copy-placeholder", "copy-signature", "copy-short"], steps


# --- pushes ---


def test_push_in_doubt():
    """A push whose answer was lost is looked up, and made again only when it is not there."""
    n = 60
    scenario = {"services": good_world()}
    scenario["services"]["instantly"]["script"] = [
        {"fault": "reset-after", "from": 5, "calls": 12, "endpoints": ["create-lead"]},
        {"fault": "reset-before", "from": 40, "calls": 12, "endpoints": ["create-lead"]},
        {"fault": "garbage", "from": 70, "calls": 6, "endpoints": ["create-lead"]}]
    edit = {"instantly": [("retry: {throttle", "breaker: off\nretry: {throttle")]}
    with FlowNight(scenario=scenario, factor=600, edit=edit) as night:
        run = night.run(n)
        end = night.wait_end(run, 60)
        assert end["outcomes"]["confirmed"] == n, end["outcomes"]
        report = night.report()
        assert report["pushed"]["count"] == n and report["pushed"]["doubled"] == 0
        faults = report["services"]["instantly"]["faults"]
        assert faults["reset-after"] == 12 and faults["reset-before"] == 12 and faults["garbage"] >= 1
        calls = [c for c in night.ledger(run) if c["service"] == "instantly"]
        pushes = [c for c in calls if c["endpoint"] == "push"]
        assert sum(c["state"] == "in-doubt" for c in pushes) == 24 + faults["garbage"]
        assert len(pushes) == n + 12  # only those that were not there
        assert len(calls) - len(pushes) == n + 24 + faults["garbage"]  # read back, and looked up


def test_lost_pushes():
    """The provider said yes and kept nothing: read back, pushed again, nobody twice."""
    n = 40
    scenario = {"services": good_world()}
    scenario["services"]["instantly"]["script"] = [{"fault": "lost-push", "from": 3, "calls": 12}]
    pipeline = (ROOT / "etc/pipelines/cold-email.yaml").read_text().replace("missing: {wait: 2s", "missing: {wait: 100ms")
    with FlowNight(scenario=scenario, factor=600, pipelines={"cold-email": pipeline}) as night:
        run = night.run(n)
        end = night.wait_end(run, 60)
        assert end["outcomes"]["confirmed"] == n, end["outcomes"]
        report = night.report()
        assert report["pushed"]["count"] == n and report["pushed"]["doubled"] == 0
        assert report["services"]["instantly"]["faults"]["lost-push"] == 12 and report["repeats_p3"] == 0
        calls = [c for c in night.ledger(run) if c["service"] == "instantly"]
        assert sum(c["endpoint"] == "push" for c in calls) == n + 12
        assert sum(c["endpoint"] == "find" for c in calls) == n + 3 * 12  # three looks before a push is made again


# --- limits ---


def test_limit_lowered():
    """Lowered in mid-run the limit holds at once, as the provider sees it; a reload brings the file's number back."""
    scenario = {"services": good_world()}
    scenario["services"]["openai"]["limits"] = ["20/1s"]
    scenario["services"]["instantly"]["limits"] = ["100/1s"]
    edit = {"openai": [("limit: [60/60s, 10000/day]", "limit: 20/1s, label: 60s")],
            "instantly": [("limit: 100/60s", "limit: 100/1s")]}
    with FlowNight(scenario=scenario, factor=1, edit=edit, **two_campaigns()) as night:
        run = night.run(150, campaign="second")
        wait(lambda: night.service("openai")["calls"].get("ok", 0) >= 40)
        text, rc = night.leadctl("service", "limit", "openai", "5/1s")
        lowered = time.time()
        assert rc == 0, text
        time.sleep(4)
        assert night.service("openai")["limits"][0]["windows"][0]["max"] == 5
        bills = [b["at_us"] / 1e6 for b in night.report()["bills"] if b["service"] == "openai"]
        after = [t for t in bills if t > lowered + 0.1]
        assert most_in(bills, 0.999) <= 20 and most_in(after, 0.999) <= 5
        assert 10 <= len(after) <= 25, len(after)
        assert night.reload()["applied"]
        assert night.service("openai")["limits"][0]["windows"][0]["max"] == 20
        assert night.wait_end(run, 60)["outcomes"]["delivered"] == 150
        assert night.report()["violations"] == 0
        # every request, refused ones too, counted by both sides
        audit = {(a["service"], a["window"]): a for a in night.get("/v1/limits/audit")["items"]}
        seen = night.report()["services"]
        assert audit["openai", "20/1s"]["worst"] == seen["openai"]["windows"][0]["worst"] == 20
        assert all(a["ok"] for a in audit.values())


def test_audit():
    """Several windows at once, tight enough to bind: no violation at leadsim, and `limits audit` counts what it counts."""
    n = 400 if LONG else 80
    limits = {"zerobounce": ["20/1s", "30/2s"], "perplexity": ["25/1s"], "openai": ["15/700ms", "100/10s"],
              "instantly": ["40/1s"]}
    scenario = {"services": good_world()}
    for name, windows in limits.items():
        scenario["services"][name]["limits"] = windows
    edit = {"zerobounce": [("limits: [1/3s]", "limits: [{limit: [20/1s, 30/2s]}]")],
            "perplexity": [("limits: [50/60s]", "limits: [25/1s]")],
            "openai": [("limit: [60/60s, 10000/day]", "limit: [15/700ms, 100/10s]"), *[("of: 60s", "of: 10s")] * 3],
            "instantly": [("limit: 100/60s", "limit: 40/1s")]}
    with FlowNight(scenario=scenario, factor=1, edit=edit) as night:
        run = night.run(n)
        night.wait_end(run, n)
        seen = night.report()
        assert seen["violations"] == 0
        text, rc = night.leadctl("limits", "audit")
        assert rc == 0, text
        audit = night.get("/v1/limits/audit")["items"]
        for name, windows in limits.items():
            theirs = {w["limit"]: w for w in seen["services"][name]["windows"]}
            ours = {a["window"]: a for a in audit if a["service"] == name}
            assert set(ours) == set(theirs) == set(windows)
            for window in windows:
                assert ours[window]["ok"] and ours[window]["worst"] <= ours[window]["max"] == theirs[window]["max"]
                # when a first byte leaves and when it arrives differ by the way between
                assert abs(ours[window]["worst"] - theirs[window]["worst"]) <= 1, (name, ours[window], theirs[window])
                assert ours[window]["calls"] == seen["services"][name]["calls"]
