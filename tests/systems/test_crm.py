"""System E whole: events of a CRM into campaigns of the campaign tool, through what is shipped: the services close and instantly
and the pipeline crm-events. Repeats, forgeries, an unknown campaign and a kill -9 in the middle; each event has one effect."""

import http.client
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import hooks  # noqa: E402
import proof  # noqa: E402
from flow_kit import FlowNight  # noqa: E402
from night import QUICK  # noqa: E402

SPRING, SUMMER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
LATENCY = {"min": "5ms", "median": "10ms", "p95": "20ms"}
SCENARIO = {"services": {
    "close": {"latency": LATENCY},
    "instantly": {"latency": LATENCY, "limits": ["600/60s", "10/1s"], "campaigns": {"Spring": SPRING, "Spring sale": "33333333-3333-4333-8333-333333333333", "Summer": SUMMER}}}}
N = 60


def intake(**more):
    return {"verify": {"scheme": "close", "secret": "close-webhook"}, "id": ".event.id",
            "when": '.event.object_type == "task.lead" and .event.action == "created" and (.event.data.text | startswith("Instantly: "))',
            "campaign": {"from": ".event.data.text", "after": "Instantly: "}, "run": "instantly",
            "fields": {"crm_lead": "${.event.lead_id}", "crm_contact": "${.event.data.contact_id}", "company": "${.event.data.lead_name}"}, **more}


class Crm(FlowNight):
    def __init__(self, settings=None, **more):
        super().__init__(
            scenario=more.pop("scenario", SCENARIO), factor=more.pop("factor", 10),
            edit={"instantly": QUICK["instantly"] + [("limits: [{limit: 100/60s, per: service}]", "limits: []")]},
            campaigns={"instantly": {"pipeline": "crm-events", "vars": {"create_campaigns": False}},
                       "creating": {"pipeline": "crm-events", "vars": {"create_campaigns": True}}},
            settings={"listen": "127.0.0.1:0", "tokens": {"crm": {"secret": "crm-token", "rights": ["intake"]}},
                      "intakes": {"close": intake(), "making": intake(run="creating")}, **(settings or {})}, **more)
        self.port = 0

    def write_settings(self):
        super().write_settings()
        file = self.folder / "leadd.yaml"
        settings = json.loads(file.read_text())
        settings["services"] = {"close": {"base": f"http://127.0.0.1:{self.sim_port}/close/api/v1"},
                                "instantly": {"base": f"http://127.0.0.1:{self.sim_port}/instantly/api/v2",
                                              "limits": [{"limit": ["600/60s", "10/1s"], "per": "service", "reserve": "20%"}]}}
        file.write_text(json.dumps(settings, indent=1))
        for name, text in {"close": "key-of-close", "close-webhook": hooks.KEY, "crm-token": "token of the crm"}.items():
            (self.folder / "secrets" / name).write_text(text + "\n")

    def wait_ready(self):
        status = super().wait_ready()
        self.port = int(status["listen"][0].rsplit(":", 1)[1])
        return status

    def instantly(self, method, path, body=None):
        """As somebody at Instantly's own pages."""
        connection = http.client.HTTPConnection("127.0.0.1", self.sim_port, timeout=10)
        try:
            connection.request(method, "/instantly/api/v2" + path, json.dumps(body),
                               {"Authorization": "Bearer by-hand", "Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, data
            return json.loads(data)
        finally:
            connection.close()

    def task(self, task, plain=False):
        return self.get(f"/v1/tasks/{task}{'?plain=1' if plain else ''}")

    def wait_tasks(self, tasks, check, seconds=60):
        """Until check(task object) holds for all of them."""
        end, left = time.monotonic() + seconds, set(tasks)
        while left:
            shown = [self.task(task) for task in left]
            left = {task["task"] for task in shown if not check(task)}
            bad = [task for task in shown if task["task"] in left and task["state"] == "failure" and task["detail"] != "rejected"]
            assert not bad and (time.monotonic() < end or not left), (bad or shown)[0]
            time.sleep(0.1 if left else 0)


def ended(task):
    """It is there, or its lead has no address in the CRM, or one that nobody reads."""
    return task["state"] == "success" or (task["state"] == "failure" and task["detail"] == "rejected")


def pushed(report):
    """{(address, campaign): how often it is there}"""
    found = {}
    for lead in report["pushed"]["leads"]:
        key = lead["email"], lead["campaign"]
        found[key] = found.get(key, 0) + 1
    return found


def test_crm():
    with Crm() as it:
        names = ["Spring", "Summer"]
        messages = [hooks.event(i, f"Instantly: {names[i % 2]}") for i in range(N)]
        taken = hooks.send_all(lambda: it.port, messages[:N // 2])
        # forged, stale, of another shape: refused, or taken and of no effect
        body = hooks.bytes_of(hooks.event("forged", "Instantly: Spring"))
        assert hooks.post(it.port, body, {})[0] == 401
        assert hooks.post(it.port, body, hooks.signed(body, key="00" * 32))[1]["code"] == "bad-signature"
        assert hooks.post(it.port, body + b" ", hooks.signed(body))[1]["code"] == "bad-signature"
        assert hooks.post(it.port, body, hooks.signed(body, at=time.time() - 301))[1]["code"] == "old-signature"
        assert hooks.post(it.port, body, intake="clos")[0] == 404
        strange = hooks.send_all(it.port, [b"not JSON", hooks.event("other", "call them back"), hooks.event("other", "Instantly: Spring", action="deleted")])
        # killed in the middle, while the second half comes in, each event twice
        with hooks.concurrent.futures.ThreadPoolExecutor(1) as pool:
            rest = pool.submit(hooks.send_all, lambda: it.port, [m for m in messages[N // 2:] for _ in (1, 2)])
            time.sleep(0.03)
            it.kill()
            time.sleep(0.2)
            it.start()
            rest = rest.result()
        taken += rest
        replays = hooks.send_all(it.port, messages[:10])
        tasks = [task for task, _ in taken + replays]
        it.wait_tasks(tasks, ended)
        report = it.report()
        there = pushed(report)
        assert set(there.values()) == {1}, there
        # each lead that has an address in the CRM stands in its campaign, once; the others say why
        expected, bare = set(), set()
        for i, task in enumerate([task for task, _ in taken[:N // 2]] + [task for task, _ in rest[::2]]):
            shown = it.task(task, plain=True)
            assert shown["run"]["outside"] == names[i % 2] and shown["lead"]["fields"]["crm_lead"] == f"lead_{i}"
            if shown["state"] == "success":
                assert shown["detail"] == "confirmed"
                expected.add((shown["lead"]["fields"]["email"].lower(), [SPRING, SUMMER][i % 2]))
                reachable = f"lead_{i}"
            else:
                bare.add(shown["lead_id"])
        assert {(a.lower(), c) for a, c in there} == expected and len(expected) + len(bare) == N and len(bare) < N / 3, (expected, bare)
        # with the names that mails begin with: the CRM has whole ones
        for lead in it.instantly("POST", "/leads/list", {"campaign": SPRING, "limit": 100})["items"]:
            task = next(t for t, _ in taken if (shown := it.task(t, plain=True))["state"] == "success" and shown["lead"]["fields"]["email"] == lead["email"])
            assert lead["first_name"] and f'{lead["first_name"]} {lead.get("last_name") or ""}'.strip() == it.task(task, plain=True)["lead"]["fields"]["full_name"], lead
        assert sum(it.task(task)["duplicate_of"] is not None for task in tasks) >= len(rest) // 2 + 10
        # totals of the runs; one look-up of the name for each; nothing was made there
        nowhere, _ = hooks.send(it.port, hooks.event("nowhere", "Instantly: Nowhere", lead=reachable))
        it.wait_tasks([nowhere], lambda t: t["lead"] is not None and t["lead"]["stage"] == "push")
        runs = {run["outside"]: run for run in it.items("/v1/runs?")}
        assert set(runs) == {"Spring", "Summer", "Nowhere"}
        totals = it.task(tasks[0])["run"]
        assert totals["total"] == totals["processed"] == totals["ok"] + totals["errors"] == N // 2 and totals["open"]
        assert totals["errors"] == sum(lead.startswith(f"{totals['run']}/") for lead in bare)
        ledger = it.items("/v1/ledger?")
        calls = [call["endpoint"] for call in ledger if call["service"] == "instantly"]
        assert calls.count("find_campaign") == 3 and "create_campaign" not in calls, calls
        assert calls.count("push") == len(expected), calls.count("push")
        # the unknown name holds its lead, and says why
        shown = it.task(nowhere)
        assert shown["state"] == "running", shown
        assert "set-up" in it.get(f"/v1/runs/{runs['Nowhere']['run']}")["waiting_for"]
        assert "could not be set up" in it.leadctl("why", "lead", shown["lead_id"])[0] and shown["run"]["forecast"] is None
        assert "campaign: held for a person: not-in-answer" in it.leadctl("why", "run", str(runs["Nowhere"]["run"]))[0]
        assert it.task(strange[0][0])["reason"] == "no-json" and it.task(strange[0][0])["state"] == "failure"
        assert all(it.task(task)["detail"] == "ignored" for task, _ in strange[1:3])
        # what a sender may see
        masked = it.task(tasks[0])["lead"]
        assert masked["fields"]["company"].endswith("***") and it.task(tasks[0], plain=True)["lead"]["fields"]["company"] not in str(masked)
        assert may(it, "token of the crm", f"/v1/tasks/{tasks[0]}") == 200 and may(it, "token of the crm", f"/v1/tasks/{tasks[0]}?plain=1") == 403
        assert may(it, "token of the crm", "/v1/runs") == 403 and may(it, "token of the crm!", f"/v1/tasks/{tasks[0]}") == 401
        # once it is there, the run goes on
        made = it.instantly("POST", "/campaigns", {"name": "Nowhere", "campaign_schedule": {"schedules": [{
            "name": "x", "timing": {"from": "09:00", "to": "17:00"}, "days": {"1": True}, "timezone": "America/Chicago"}]}})["id"]
        assert it.leadctl("run", "retry", str(runs["Nowhere"]["run"]))[1] == 0
        it.wait_tasks([nowhere], ended)
        report = it.report()
        assert [lead["campaign"] for lead in report["pushed"]["leads"]].count(made) == 1
        # the campaign read back as a whole, while its run is open for more; and what the run brought taken out again, likewise
        spring = str(runs["Spring"]["run"])
        text, code = it.leadctl("verify", "run", spring)
        assert code == 0 and "0 missing, 0 doubled, 0 changed, 0 foreign" in text, text
        mine = sum(campaign == SPRING for _, campaign in expected)
        text, code = it.leadctl("recall", "run", spring, "--unsent-only", "--dry-run")
        assert code == 0 and f"{mine} leads would be looked at" in text, text
        text, code = it.leadctl("recall", "run", spring, "--unsent-only")
        assert code == 0, text
        it.wait_for(spring, lambda r: r["outcomes"]["recalled"] == mine and r["open"] == 0, 60)
        left = [lead["campaign"] for lead in it.report()["pushed"]["leads"] if not lead.get("deleted")]
        assert SPRING not in left and left.count(SUMMER) == sum(campaign == SUMMER for _, campaign in expected)
        report = it.report()
        # the books: limits, store
        proof.windows(it, report)
        worst = {window["window"]: window["max"] for limit in it.get("/v1/services/instantly")["limits"] for window in limit["windows"]}
        assert worst == {"4800/60s": 4800, "80/1s": 80}, worst
        assert it.leadctl("store", "check")[1] == 0
        text, code = it.leadctl("intake", "show", "close", "--state", "failure")
        assert code == 0 and "no-json" in text and "@" not in text, text
        assert "key" not in it.log() and hooks.KEY not in it.log()


def may(it, token, path):
    connection = http.client.HTTPConnection("127.0.0.1", it.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_created_where_declared():
    """The same events under a campaign that may make campaigns: one is made, once, and its leads go there."""
    with Crm() as it:
        messages = [hooks.event(i, "Instantly: Autumn") for i in range(6)]
        tasks = []
        for message in messages:
            body = hooks.bytes_of(message)
            status, answer = hooks.post(it.port, body, hooks.signed(body), intake="making")
            assert status == 202, answer
            tasks.append(answer["task"])
        it.wait_tasks(tasks, ended)
        calls = [call["endpoint"] for call in it.items("/v1/ledger?") if call["service"] == "instantly"]
        assert calls.count("create_campaign") == 1 and calls.count("find_campaign") == 1
        there = pushed(it.report())
        assert len(there) == sum(it.task(task)["state"] == "success" for task in tasks) > 2 and len({campaign for _, campaign in there}) == 1
        # a day without a lead: its run is closed, and its results are written; the next event opens another, into the same campaign
        it.kill()
        it.start_later(25 * 3600)
        assert it.wait_end(1, 30)["open_for_more"] is False and (it.folder / "state" / "runs" / "1" / "summary.txt").exists()
        body = hooks.bytes_of(hooks.event("next-day", "Instantly: AUTUMN", lead="lead_0"))
        status, answer = hooks.post(it.port, body, hooks.signed(body, at=time.time() + 25 * 3600), intake="making")
        assert status == 202, answer
        it.wait_tasks([answer["task"]], ended)
        shown = it.task(answer["task"])["run"]
        assert (shown["run"], shown["outside"], shown["processed"]) == (2, "AUTUMN", 1), shown
        calls = [call["endpoint"] for call in it.items("/v1/ledger?") if call["service"] == "instantly"]
        assert calls.count("create_campaign") == 1 and calls.count("find_campaign") == 2 and pushed(it.report()) == there


def test_missed():
    """Events that never came, for a subscription that was paused: their tasks are read from the CRM's log, and whoever is there already is not
    pushed again, neither in that run nor when the events come after all."""
    with Crm(scenario={"services": {**SCENARIO["services"], "close": {"latency": LATENCY, "tasks": 90}}}) as it:
        since = {"params": {"campaign_name": "spring", "since": "2026-11-02T10:31:00Z"}}
        runs = [it.wait_end(it.post("/v1/runs", {"campaign": "instantly", **since})["run"], 60) for _ in (1, 2)]
        assert [run["total"] for run in runs] == [20, 20], runs  # of 60 tasks on three pages each third names it
        there = pushed(it.report())
        assert set(there.values()) == {1} and {campaign for _, campaign in there} == {SPRING} and len(there) == runs[0]["outcomes"]["confirmed"] > 12, there
        assert runs[1]["outcomes"] == runs[0]["outcomes"]
        body = hooks.bytes_of(hooks.event("late", "Instantly: Spring", lead="lead_log90"))
        status, answer = hooks.post(it.port, body, hooks.signed(body))
        it.wait_tasks([answer["task"]], ended)
        assert pushed(it.report()) == there
        calls = [call["endpoint"] for call in it.items("/v1/ledger?") if call["service"] == "close"]
        assert calls.count("tasks") == 6, calls
        # a task that names a person is for that person, not for the first of its lead
        def tell(number, contact):
            message = hooks.event(number, "Instantly: Spring", lead="lead_42")
            message["event"]["data"]["contact_id"] = contact
            data = hooks.bytes_of(message)
            task = hooks.post(it.port, data, hooks.signed(data))[1]["task"]
            it.wait_tasks([task], ended)
            return it.task(task, plain=True)
        people = {contact: tell(f"of-{contact}", contact) for contact in ("cont_0042", "cont_0142", "cont_0242", "cont_0342")}
        emails = {task["lead"]["fields"].get("email") for task in people.values()}
        assert len(emails) > 2, people
        for task in people.values():
            fields = task["lead"]["fields"]
            assert task["detail"] in ("confirmed", "rejected") and fields["company"] == "Ex Ltd", task
            assert task["detail"] == "rejected" or fields["full_name"].startswith(fields["first_name"]), fields
        # a key that was copied wrong is told before the first event is refused
        (it.folder / "secrets" / "close-webhook").write_text("whsec_no hex\n")
        assert it.leadctl("reload")[1] == 0
        text, code = it.leadctl("doctor")
        assert code == 7 and "close-webhook" in text and "not in hex digits" in text, text
        assert "not in hex digits" in hooks.post(it.port, body, hooks.signed(body))[1]["detail"]


def test_eight_a_second():
    """Both windows of the real limit: 480 in 60 s and 8 in one second, in force together."""
    with Crm(factor=1, scenario={"services": {**SCENARIO["services"]}}) as it:
        tasks = [task for task, _ in hooks.send_all(it.port, [hooks.event(i, "Instantly: Spring") for i in range(24)])]
        assert it.task(tasks[-1])["run"] is None or it.task(tasks[-1])["run"]["total"] <= 24
        it.wait_tasks(tasks, ended)
        proof.windows(it, it.report())
        sent = sorted(proof.datetime.fromisoformat(call["sent"].replace("Z", "+00:00")).timestamp() for call in it.items("/v1/ledger?")
                      if call["service"] == "instantly")
        assert len(sent) > 30 and max(sum(at <= other < at + 1 for other in sent) for at in sent) <= 8
        assert sent[-1] - sent[0] > len(sent) / 8 - 2
