"""Workflows behind webhooks, a table of known companies and a CRM, through the shipped service files: the same leads come out
whether the workflows answer when they are done, call back, or are asked; and with faults nothing is asked or kept twice.
"""
import json
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from flow_kit import FlowNight  # noqa: E402

BASES = {"hubspot": "/hubspot", "supabase": "/supabase/rest/v1", "n8n": "/n8n", "n8n-verifier": "/n8n"}
QUICK = [("every: 30s, within: 2h, callback: {wait: 10min}", "every: 250ms, within: 6s, callback: {wait: 2s}")] * 4 + [
    ("base: 60s, cap: 60s", "base: 200ms, cap: 1s")] * 2 + [
    ("base: 5s, cap: 5min", "base: 200ms, cap: 1s"), ("timeout: {total: 7200s}", "timeout: {connect: 1s, total: 4s}")]
QUICK_VERIFIER = [("base: 15min, cap: 1h", "base: 200ms, cap: 1s"), ("base: 5s, cap: 5min", "base: 200ms, cap: 1s"),
                  ("timeout: {total: 240s}", "timeout: {connect: 1s, total: 4s}")]
PLAYED = ("hubspot", "supabase", "n8n")


def company(field, **more):
    return {"level": "company", "from": "${.companies}",
            "fields": {name: "${.%s}" % name for name in ("name", "domain", "city")}, **more}


def pipeline(later):
    """Known companies, then rounds of finding more; not those of the CRM; people, their mailbox, a story, the CRM."""
    region = {"state": "${.state}", "pms": "${.pms}"}
    return {"pipeline": "pm", "params": {"state": {"required": True}, "pms": {"required": True}}, "stages": [
        {"stage": "known", "of": "run", "call": "supabase.companies", "with": region, "makes": company("known")},
        {"stage": "found", "of": "run", "call": "n8n.discover" + later,
         "with": {**region, "quantity": "${.ask.count}", "round": "${.ask.round}"}, "makes": company("found", rounds={"most": 8})},
        {"stage": "crm", "of": "company", "call": "hubspot.find_companies", "with": {"domain": "${.domain}"}, "on_empty": "pass",
         "gates": [{"when": ".hubspot_company_id == null", "reason": "in-crm"}]},
        {"stage": "enrich", "of": "company", "call": "n8n.enrich_company" + later,
         "with": {"name": "${.name}", "domain": "${.domain}"},
         "makes": {"level": "contact", "from": "${.decision_makers}", "most": 4,
                   "fields": {"full_name": "${.name}", "email": "${.email}", "title": "${.title}", "company": "${.parent.name}"}}},
        {"stage": "intake", "gates": [{"check": c} for c in ("address", "noreply", "role", "portal", "name")]},
        {"stage": "verify", "call": "n8n-verifier.verify_email", "with": {"email": "${.email}"},
         "gates": [{"field": "verify_status", "in": ["valid"], "reason": "undeliverable"}]},
        {"stage": "stories", "call": "n8n.enrich_contact" + later, "with": {"name": "${.full_name}", "email": "${.email}"}},
        {"stage": "keep", "call": "hubspot.upsert_contact",
         "with": {"email": "${.email}", "first_name": "${.first_name}", "last_name": "${.last_name}"}}]}


class WebhookNight(FlowNight):
    def __init__(self, respond, callbacks=None, **more):
        latency = {"latency": {"min": "20ms", "median": "60ms", "p95": "200ms"}}
        services = {name: {**latency, **more} for name in PLAYED}
        services["n8n"] |= {"respond": respond, "callbacks": callbacks or {}}
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        super().__init__(scenario={"services": services}, edit={"n8n": QUICK, "n8n-verifier": QUICK_VERIFIER},
                         pipelines={"pm": pipeline("" if respond == "finished" else "_later")},
                         campaigns={"demo": {"pipeline": "pm"}},
                         settings={"listen": f"127.0.0.1:{port}", "callback_url": f"http://127.0.0.1:{port}"})

    def write_settings(self):
        super().write_settings()
        file = self.folder / "leadd.yaml"
        settings = json.loads(file.read_text())
        for name, path in BASES.items():
            (self.folder / "secrets" / name).write_text("k\n")
            settings["services"][name] = {"base": f"http://127.0.0.1:{self.sim_port}{path}"}
        file.write_text(json.dumps(settings))

    def night(self, quantity):
        """The run's object when it has ended."""
        text, rc = self.leadctl("run", "start", "--campaign", "demo", "--param", "state=CA", "--param", "pms=AppFolio",
                                "--quantity", str(quantity))
        assert rc == 0, text
        return self.wait_end(self.items("/v1/runs")[0]["run"], 90)

    def ready(self, run):
        return {lead["fields"]["email"] for lead in self.export(run["run"]) if lead["outcome"] == "ready"}

    def check(self, run):
        """Nothing beyond a limit, nothing asked again after it was told, and in the CRM who is ready."""
        report = self.report()
        assert report["violations"] == 0 and report["repeats_p3"] == 0, json.dumps(report["repeats"], indent=1)
        new = [lead for lead in self.export(run["run"]) if lead["outcome"] == "ready" and lead["fields"]["hubspot_new"]]
        assert report["kept"]["hubspot_contacts"] >= len(new) > 0
        assert self.post("/v1/store/check")["problems"] == 0
        return report


def test_the_same_leads_whichever_way_workflows_answer():
    found = {}
    for respond in ("finished", "callback", "poll"):
        with WebhookNight(respond) as night:
            run = night.night(20)
            assert run["state"] == "done" and run["open"] == 0, json.dumps(run, indent=1)
            report = night.check(run)
            found[respond] = night.ready(run)
            assert len(found[respond]) >= 8
            assert report["kept"]["hubspot_contacts"] <= len(found[respond])
            assert report["services"]["hubspot"]["calls"] <= 8     # in batches
            assert (report["kept"]["n8n_callbacks"] > 0) == (respond == "callback")
            assert (report["kept"]["n8n_jobs"] > 0) == (respond == "poll")
    assert found["finished"] == found["callback"] == found["poll"]


@pytest.mark.parametrize("respond", ["callback", "poll"])
def test_with_faults(respond):
    """One call in seven goes wrong; callbacks come early, twice and not at all."""
    kinds = ["throttle", "error-500", "error-html", "overload", "reset-before", "reset-after", "truncate", "garbage"]
    with WebhookNight(respond, callbacks={"lost": "5%"}, random={"rate": "15%", "kinds": kinds}) as night:
        run = night.night(16)
        assert run["state"] == "done" and run["open"] == 0, json.dumps(run, indent=1)
        report = night.check(run)
        assert sum(sum(report["services"][name]["faults"].values()) for name in PLAYED) >= 5
        assert len(night.ready(run)) >= 4
