"""System D: people are found, looked at with masks, paid for, and only then bought: at Apollo ten at a time, what it has not from a second
provider within a ceiling per lead; whom nobody has stays as it was. Every cent is on the bills of the two providers."""

import hashlib
import hmac
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import proof  # noqa: E402
from flow_kit import FlowNight, wait  # noqa: E402
from night import ROOT  # noqa: E402

LATENCY = {"min": "5ms", "median": "20ms", "p95": "50ms"}
HOOK = "whsec_of_the_test"
CREDIT, FIND = 100_000, 50_000
# Waits of the shipped files, not their rules.
QUICK = {"apollo": [("linger: 2s", "linger: 200ms"), ("timeout: {total: 60s}", "timeout: {connect: 1s, total: 3s}\nretry: {transient: {base: 100ms, cap: 1s}}")],
         "hunter": [("timeout: {total: 60s}", "timeout: {connect: 1s, total: 3s}\nretry: {transient: {base: 100ms, cap: 1s}}")]}


def world(apollo=None):
    return {"doubt": "250ms", "faults": {"retry_after": "200ms"}, "people": {"count": 500, "no_email": "10%", "not_found": "10%"},
            "services": {"apollo": {"latency": LATENCY, "missing": "shuffled", **(apollo or {})},
                         "hunter": {"latency": LATENCY, "not_found": "40%", "opted_out": "10%"}}}


class Bought(FlowNight):
    """The shipped pipeline in a campaign `leads`. campaign: more of it."""

    def __init__(self, apollo=None, campaign=None, edit=None):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        own = {"pipeline": "bought-enrichment", "mask": "until-approved", "budget": 1000, **(campaign or {})}
        super().__init__(scenario=world(apollo), factor=600, edit=edit or QUICK, campaigns={"leads": own},
                         secrets={"stripe-webhook": HOOK, "token-boss": "boss-token", "token-desk": "desk-token", "hunter": "key-of-hunter"},
                         settings={"listen": f"127.0.0.1:{self.port}",
                                   "payments": {"stripe": {"verify": {"scheme": "stripe", "secret": "stripe-webhook"}}},
                                   "tokens": {"boss": {"secret": "token-boss", "rights": ["read", "approve"]},
                                              "desk": {"secret": "token-desk", "rights": ["operate"]}}})

    def find(self, n, **more):
        """A run that has found n people and waits."""
        run = self.post("/v1/runs", {"campaign": "leads", "quantity": n, **more})["run"]
        return run, self.wait_for(run, lambda r: r["state"] == "waiting-approval", 60)

    def tcp(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def pay(self, run, amount, event="evt_1", session="cs_1", currency="usd", status="paid", at=None, secret=HOOK, spoil=False):
        """Status, and the word of the answer."""
        body = json.dumps({"id": event, "type": "checkout.session.completed", "data": {"object": {
            "id": session, "amount_total": amount, "currency": currency, "payment_status": status, "metadata": {"run": str(run)}}}}).encode()
        at = int(time.time()) if at is None else at
        signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        status, told = self.tcp("POST", "/v1/payments/stripe", body + b" " if spoil else body, {"Stripe-Signature": f"t={at},v1={signed}"})
        return status, told.get("result") or told["code"]

    def notes(self, run):
        return [note["kind"] for note in self.get(f"/v1/runs/{run}")["notes"]]

    def billed(self):
        """What both providers want, by their own accounts."""
        bills = self.report()["bills"]
        return tuple(sum(line["price_micro"] for line in bills if line["service"] == name) for name in ("apollo", "hunter"))

    def asked(self, name):
        return self.report()["services"][name]["calls"]


def is_masked(text):
    return text is None or "***" in text


def proves_bills(night, run, end):
    """Cost per lead, run and campaign are the providers' bills."""
    exported, ledger = night.export(run), night.ledger(run)
    apollo, other = night.billed()
    proof.bill(ledger, night.report())
    assert sum(call["settled_micro"] for call in ledger if call["service"] == "hunter") == other
    assert end["settled_micro"] == apollo + other and end["in_doubt_micro"] == 0
    assert sum(lead["spent_micro"] for lead in exported) == end["settled_micro"]
    assert all(lead["spent_micro"] <= 150_000 for lead in exported)
    used = re.search(r'^leadd_budget_used_micro\{[^}]*="campaign"[^}]*\} (\d+)', night.request("GET", "/v1/metrics").decode(), re.M)
    assert int(used[1]) == apollo + other
    return exported, apollo, other


def test_preview_payment_bought():
    n = 60
    with Bought() as night:
        run, shown = night.find(n)
        # found, looked at, nothing bought
        leads = night.items(f"/v1/runs/{run}/leads")
        assert len(leads) == n and shown["total"] == n
        one = night.get(f"/v1/leads/{run}/{leads[0]['lead']}")
        exported = night.export(run)
        for lead in exported:
            assert is_masked(lead["fields"]["first_name"]) and is_masked(lead["fields"].get("email")) and lead["fields"]["title"]
        assert is_masked(one["fields"]["last_name"]) and "***" in json.dumps(leads)
        assert shown["approval"]["at"] == ["look"] and shown["approval"]["leads"] == n
        assert shown["approval"]["estimate_micro"] == n * CREDIT and shown["approval"]["worst_micro"] == n * 150_000
        assert shown["settled_micro"] == 0 and night.report()["billed_micro"] == 0
        assert shown["task"] == "pending"
        assert night.tcp("GET", "/v1/health", headers={"Authorization": "Bearer desk-token"})[1]["status"] == "ok"
        price = n * CREDIT // 10_000
        # what does not release it
        assert night.pay(run, price, secret="another") == (400, "bad-signature")
        assert night.pay(run, price, spoil=True) == (400, "bad-signature")
        assert night.pay(run, price, at=int(time.time()) - 400) == (400, "old-signature")
        assert night.tcp("POST", "/v1/payments/stripe", b"{}")[0] == 400
        assert night.pay(run + 7, price, event="evt_2") == (404, "no-run")
        assert night.notes(run) == []
        assert night.pay(run, price - 1, event="evt_3", session="cs_3") == (200, "refused")
        assert night.pay(run, price, event="evt_4", session="cs_4", currency="eur") == (200, "refused")
        assert night.pay(run, price, event="evt_5", session="cs_5", status="unpaid") == (200, "unpaid")
        assert night.pay(run, price, event="evt_3", session="cs_3") == (200, "repeated")
        status, told = night.tcp("POST", f"/v1/runs/{run}/approve", b"{}", {"Authorization": "Bearer desk-token"})
        assert (status, told["code"]) == (403, "forbidden")
        night.kill()
        night.start()
        shown = night.wait_for(run, lambda r: r["state"] == "waiting-approval")
        assert night.notes(run) == ["payment-refused", "payment-refused"] and shown["settled_micro"] == 0
        # twelve at once say that the session was paid: it is released once
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(night.pay(run, price, event=f"evt_{10 + i % 3}", session="cs_5")))
                   for i in range(12)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert sorted(answers) == sorted([(200, "released")] + [(200, "repeated")] * 11), answers
        end = night.wait_end(run)
        assert night.notes(run) == ["payment-refused", "payment-refused", "paid"]
        assert night.pay(run, price, event="evt_10", session="cs_5") == (200, "repeated")
        # bought
        assert end["state"] == "done" and end["task"] == "success" and end["outcomes"]["ready"] == n
        stage = next(s for s in end["stages"] if s["stage"] == "buy")
        exported, apollo, other = proves_bills(night, run, end)
        with_address = [lead for lead in exported if lead["fields"].get("email")]
        assert not any("***" in str(lead["fields"].get("email")) for lead in exported)
        assert all((lead["fields"]["unchanged"] == "buy") != bool(lead["fields"]["email"]) for lead in exported)
        assert stage["ok"] == len(with_address) and stage["unchanged"] == n - len(with_address) > 0
        assert {lead["spent_micro"] for lead in with_address} == {FIND, CREDIT} and other > 0
        assert all(lead["spent_micro"] == 0 for lead in exported if not lead["fields"].get("email"))
        sent = [call for call in night.ledger(run) if call["endpoint"] == "match_many"]
        assert max(len(call["parts"]) for call in sent) == 10 and len(sent) <= n / 10 + 2
        kept = next(lead for lead in exported if not lead["fields"].get("email"))
        timeline = night.get(f"/v1/leads/{run}/{kept['lead']}")["timeline"]
        assert "unchanged" in [fact["kind"] for fact in timeline]
        told = night.leadctl("ledger", "list", "--run", str(run))[0] + night.leadctl("lead", "show", f"{run}/1")[0] + night.leadctl("run", "show", str(run))[0]
        assert f" {run}/- " in told and "of the file" not in told and "paid 6.00 USD by payment stripe: look" in told, told
        files = night.results(run)
        assert re.search(rf"^buy .* {stage['unchanged']} +0 +\S.*$", files["summary.txt"], re.M), files["summary.txt"]
        assert next(s for s in files["metrics.json"]["stages"] if s["stage"] == "buy")["unchanged"] == stage["unchanged"]
        assert f'state="unchanged"}} {stage["unchanged"]}' in night.request("GET", "/v1/metrics").decode()
        proof.windows(night, night.report())


def test_provider_down():
    """The provider fails three times for each, and the second one needs what the first would have told: the data stay as they were, nobody
    counts as enriched, nothing is paid, the run is done. Released by a token with its own right."""
    n = 20
    script = [{"fault": "error-500", "share": "100%", "endpoints": ["match-people"]}]
    edit = {k: [(a, b.replace("retry:", "breaker: off\nretry:")) for a, b in v] for k, v in QUICK.items()}
    with Bought(apollo={"script": script}, edit=edit) as night:
        run, _ = night.find(n)
        status, _ = night.tcp("POST", f"/v1/runs/{run}/approve", b"{}", {"Authorization": "Bearer boss-token"})
        assert status == 200
        end = night.wait_end(run)
        stage = next(s for s in end["stages"] if s["stage"] == "buy")
        assert (stage["unchanged"], stage["ok"], stage["failed"]) == (n, 0, 0) and end["outcomes"]["ready"] == n
        assert end["settled_micro"] == 0 and night.report()["billed_micro"] == 0
        assert end["notes"][0]["who"] == "token boss"
        assert night.asked("hunter") == 0
        for lead in night.export(run):
            assert not lead["fields"].get("email") and lead["fields"]["title"] and lead["fields"]["apollo_id"]
            timeline = night.get(f"/v1/leads/{run}/{lead['lead']}")["timeline"]
            assert [f["kind"] for f in timeline] == ["call"] * 3 + ["gate", "unchanged"] and timeline[-1]["reason"] == "missing-last_name"


def test_down_for_long():
    """Nobody answers at all: after the stage's time its leads do not wait any longer."""
    pipeline = (ROOT / "etc" / "pipelines" / "bought-enrichment.yaml").read_text().replace("down_after: 30min", "down_after: 2s")
    edit = {k: [(a, b.replace("retry:", "breaker: {failures: 3, open: 1s}\nretry:")) for a, b in v] for k, v in QUICK.items()}
    with Bought(edit=edit) as night:
        night.pipelines["bought-enrichment"] = pipeline
        (night.folder / "pipelines" / "bought-enrichment.yaml").write_text(pipeline)
        night.reload()
        run, _ = night.find(30)
        night.kill_sim()
        subprocess.run([__import__("os").environ["LEADCTL"], "--socket", str(night.folder / "leadd.sock"), "run", "approve", str(run)], check=True)
        health = wait(lambda: (lambda h: h if h["status"] != "ok" else None)(
            night.tcp("GET", "/v1/health", headers={"Authorization": "Bearer desk-token"})[1]), 20, "trouble")
        assert health["status"] == "degraded" and "open" in [s["state"] for s in health["services"] if s["service"] == "apollo"]
        end = night.wait_end(run, 60)
        stage = next(s for s in end["stages"] if s["stage"] == "buy")
        assert stage["unchanged"] == 30 and end["outcomes"]["ready"] == 30 and end["settled_micro"] == 0
        facts = [f["kind"] for lead in night.items(f"/v1/runs/{run}/leads")
                 for f in night.get(f"/v1/leads/{run}/{lead['lead']}")["timeline"]]
        assert "warning" in facts and facts.count("unchanged") == 30


def test_verified_by_the_second():
    """The shipped verifier of the second provider, within its own windows: what it cannot say yet is asked again and paid once, who asked not
    to be looked up costs nothing, and a mail server's trouble passes."""
    n = 30
    scenario = {"doubt": "250ms", "services": {"hunter": {"latency": LATENCY, "in_work": "40%", "mail_server": "10%", "opted_out": "10%"}}}
    verify = {"pipeline": "check", "stages": [{"stage": "verify", "call": "hunter.verify", "with": {"email": "${.email}"}}]}
    edit = {"hunter": [("timeout: {total: 60s}", "retry: {transient: {base: 100ms, cap: 200ms}, pending: {attempts: 5, base: 100ms, cap: 200ms}}")]}
    with FlowNight(scenario=scenario, factor=1, edit=edit, pipelines={"check": verify}, campaigns={"check": {"pipeline": "check"}},
                   secrets={"hunter": "key-of-hunter"}) as night:
        end = night.wait_end(night.run(n, campaign="check"))
        run, exported, report = end["run"], night.export(end["run"]), night.report()
        failed = [lead for lead in exported if lead["outcome"] == "failed"]
        assert {lead["reason"] for lead in failed} == {"opted-out"} and end["outcomes"]["ready"] == n - len(failed)
        assert all(lead["spent_micro"] == (0 if lead in failed else 25_000) for lead in exported)
        assert all(lead["fields"]["verify_status"] for lead in exported if lead not in failed)
        ledger = night.ledger(run)
        assert {"pending", "transient"} <= {call["outcome"] for call in ledger} and "throttle" not in {call["outcome"] for call in ledger}
        proof.bill(ledger, report)
        proof.windows(night, report)
