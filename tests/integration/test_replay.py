"""A run played again: the same on the same configuration, other ends where the configuration is another one, and never
a request more. LEADD, LEADCTL and LEADSIM name the programs.
"""

import collections
import csv
import http.client
import io
import json
import threading
import time
from pathlib import Path

import pytest
from flow_kit import FlowNight, Stub, one_stage, service, wait
from night import BASES, LEADS, QUICK, ROOT, Night, Refused, calm


def rows(n):
    """The header and the first n rows of a real list."""
    return b"".join((LEADS / "people-1000.csv").read_bytes().splitlines(keepends=True)[:n + 1])


def faulty(rate="12%"):
    scenario = {"services": calm(), "faults": {"retry_after": "1s", "slow": "300ms", "drip_bytes": 256, "drip_every": "5ms"}}
    for name in BASES:
        scenario["services"][name]["random"] = {"rate": rate}
    return scenario


def other_config(night, name="other.yaml", edit=(), file=None, **settings):
    """Another leadd.yaml beside the night's own; edit: changes of its text. file: (folder, name, text) of a file that
    goes before the shipped one."""
    value = json.loads((night.folder / "leadd.yaml").read_text())
    if file is not None:
        folder, stem, text = file
        (night.folder / f"other-{folder}").mkdir(exist_ok=True)
        (night.folder / f"other-{folder}" / stem).write_text(text)
        old = value[f"{folder}_dir"]
        value[f"{folder}_dir"] = [f"other-{folder}", *(old if isinstance(old, list) else [old])]
    value.update(settings)
    text = json.dumps(value, indent=1)
    for old, new in edit:
        assert old in text
        text = text.replace(old, new)
    (night.folder / name).write_text(text)
    return night.folder / name


def pipeline(*changes):
    text = (ROOT / "etc" / "pipelines" / "cold-email.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return ("pipelines", "cold-email.yaml", text)


def replay(night, run, with_=None, *more):
    """What leadctl says, as an object."""
    args = ["--json", "replay", "run", str(run), *(["--with", str(with_)] if with_ else []), *more]
    text, code = night.leadctl(*args)
    assert code == 0, text
    return json.loads(text)


def steps(answer, side):
    return collections.Counter(tuple(s[k] for k in ("lead", "stage", "request", "outcome", "reason"))
                               for s in answer[f"steps_{side}"])


def bundle(night):
    """The night's own configuration, as leadctl would send it."""
    files = {"leadd.yaml": (night.folder / "leadd.yaml").read_text()}
    for kind, ending in (("services", "yaml"), ("pipelines", "yaml"), ("lists", "txt"), ("prompts", "md")):
        for folder in (night.folder / kind, ROOT / "etc" / kind):
            for file in folder.glob(f"*.{ending}"):
                files.setdefault(f"{kind}/{file.name}", file.read_text())
    return json.dumps({"files": files}).encode()


def small(stub, limits=("1000/s",), settings=None):
    """A night of one service and one stage."""
    return FlowNight(services={"stub": service("stub", stub, limits=list(limits))}, pipelines={"ask": one_stage("ask", "stub.ask")},
                     campaigns={"demo": {"pipeline": "ask"}}, settings=settings, with_sim=False, factor=1)


def requests(night):
    return night.report()["calls"]


@pytest.fixture(scope="module")
def night():
    with Night(scenario=faulty(), factor=600, edit=QUICK) as night:
        night.run = night.start_run(rows(250))
        night.shown = night.wait_end(night.run, 120)
        yield night


def test_unchanged(night):
    """Equal sets of lead, stage, request, outcome and reason, faults and retries included; and nobody is asked."""
    before = requests(night)
    answer = night.post(f"/v1/runs/{night.run}/replay?steps=1", {})
    assert (answer["leads"], answer["same"]) == (250, 250), {k: v for k, v in answer.items() if not k.startswith("steps")}
    assert answer["different"] == answer["missing"] == 0 and answer["items"] == [] and answer["changes"] == []
    was, now = steps(answer, "was"), steps(answer, "now")
    assert was == now
    assert sum(was.values()) == len(night.ledger(night.run)) and not answer["steps_cut"]
    assert answer["was_micro"] == answer["now_micro"] == night.shown["settled_micro"] + night.shown["in_doubt_micro"]
    outcomes = collections.Counter(s["outcome"] for s in answer["steps_was"])
    print(outcomes)
    assert outcomes["transient"] > 0 and outcomes["in_doubt"] > 0 and outcomes["throttle"] > 0
    assert all(s["request"] != "0" * 16 for s in answer["steps_was"])
    assert requests(night) == before


def test_unchanged_as_a_file(night):
    """The same files by way of leadctl."""
    answer = replay(night, night.run, night.folder / "leadd.yaml")
    assert (answer["leads"], answer["same"]) == (250, 250), answer
    assert replay(night, night.run, night.folder)["same"] == 250
    assert len(list((night.folder / "state" / "uploads").iterdir())) == 1  # the list of leads; the configurations are gone


def words(text):
    return len(text.split())


def test_other_gate(night):
    """Texts of 50 to 70 words were right; now they must be shorter than 56."""
    exported = night.export(night.run)
    before = requests(night)
    config = other_config(night, file=pipeline(("min: 50, max: 70", "min: 50, max: 55")))
    answer = replay(night, night.run, config, "--limit", "1000")
    expected = {lead["lead"] for lead in exported
                if lead["fields"].get("copy") and lead["fields"]["copy_model"] != "template" and words(lead["fields"]["copy"]) > 55}
    assert expected
    told = {item["lead"] for item in answer["items"]}
    assert told == expected, (sorted(told ^ expected))
    assert answer["same"] == 250 - len(expected)
    # what is asked again has no answer; a second model's may be there
    assert answer["missing"] + answer["different"] == len(expected) and answer["missing"] > 0
    assert {m["stage"] for m in answer["missing_at"]} <= {"copy", "push", "confirm"}
    assert requests(night) == before


def test_other_rule(night):
    """Catch-all addresses are refused now: exactly those leads end otherwise, and nothing is missing."""
    exported = night.export(night.run)
    config = other_config(night, file=pipeline(("in: [valid, catch-all]", "in: [valid]")))
    answer = replay(night, night.run, config, "--limit", "1000")
    expected = {lead["lead"] for lead in exported if lead["fields"].get("verify_status") == "catch-all"}
    assert expected
    assert {item["lead"] for item in answer["items"]} == expected
    assert answer["different"] == len(expected) and answer["missing"] == 0
    assert all(item["now"]["outcome"] == "rejected" and item["now"]["reason"] == "undeliverable" for item in answer["items"])
    assert answer["now_micro"] < answer["was_micro"]
    assert sum(c["leads"] for c in answer["changes"] if c["now"] == "rejected") == len(expected)

    text, code = night.leadctl("replay", "run", str(night.run), "--with", str(config))
    assert code == 0 and "rejected undeliverable" in text and "spent" in text, text
    file = night.folder / "all.csv"
    assert night.leadctl("replay", "run", str(night.run), "--with", str(config), "--output", str(file))[1] == 0
    table = list(csv.DictReader(io.StringIO(file.read_text())))
    assert {int(row["lead"]) for row in table} == expected
    assert {row["now_reason"] for row in table} == {"undeliverable"}


def test_other_price(night):
    """Dearer answers: every lead ends as it did, the sum says what it would have cost."""
    (night.folder / "priced").mkdir(exist_ok=True)
    text = (night.folder / "services" / "zerobounce.yaml").read_text()
    assert "per_call: 0.008" in text
    (night.folder / "priced" / "zerobounce.yaml").write_text(text.replace("per_call: 0.008", "per_call: 0.016"))
    value = json.loads((night.folder / "leadd.yaml").read_text())
    config = other_config(night, services_dir=["priced", *value["services_dir"]])
    answer = replay(night, night.run, config)
    assert answer["same"] == 250, answer
    verified = [c for c in night.ledger(night.run) if c["service"] == "zerobounce" and c["state"] in ("settled", "in-doubt")]
    assert answer["now_micro"] - answer["was_micro"] == sum(c["settled_micro"] for c in verified) > 0


def test_other_prompt(night):
    """Nobody was ever asked that: all that came so far is missing, and nobody is asked now."""
    before = requests(night)
    researched = {call["parts"][0]["lead"] for call in night.ledger(night.run) if call["service"] == "perplexity"}
    config = other_config(night, file=pipeline(("You research business contacts.", "You look up business contacts.")))
    answer = replay(night, night.run, config)
    assert answer["missing"] == len(researched) > 0 and answer["different"] == 0
    assert {item["lead"] for item in replay(night, night.run, config, "--limit", "1000")["items"]} == researched
    assert answer["missing_at"] == [{"stage": "research", "service": "perplexity", "leads": answer["missing"]}]
    assert all(c["now"] == "missing" for c in answer["changes"])
    text, code = night.leadctl("replay", "run", str(night.run), "--with", str(config))
    assert code == 0 and "perplexity would have been asked something else at stage research" in text
    time.sleep(0.2)
    assert requests(night) == before


def test_mistakes(night):
    """Each with its file and line, and nothing is left behind."""
    config = other_config(night, file=pipeline(("check: name", "check: nmae")))
    text, code = night.leadctl("replay", "run", str(night.run), "--with", str(config))
    assert code == 1 and "pipelines/cold-email.yaml:" in text and "nmae" in text and str(night.folder) not in text, text
    text, code = night.leadctl("replay", "run", "77")
    assert code == 4 and "there is no run 77" in text
    text, code = night.leadctl("replay", "run", str(night.run), "--with", str(other_config(night, campaigns={})))
    assert code == 1 and "has no campaign 'demo'" in text, text
    text, code = night.leadctl("replay", "run", str(night.run), "--with", "/nowhere/leadd.yaml")
    assert code == 2 and "/nowhere/leadd.yaml" in text, text
    for wrong in (b"nothing", b"{}", b'{"files":{"../evil":"x"}}', b'{"files":{"services/.x":"x"}}',
                  b'{"files":{"/etc/passwd":"x"}}', b'{"files":{"leadd.yaml":7}}'):
        with pytest.raises(Refused) as e:
            night.post(f"/v1/runs/{night.run}/replay", {"upload": night.upload(wrong)})
        assert e.value.status == 422 and json.loads(e.value.body)["code"] == "bad-configuration"
    with pytest.raises(Refused) as e:
        night.post(f"/v1/runs/{night.run}/replay", {"upload": "../../leadd.yaml"})
    assert e.value.status == 404
    assert not (night.folder / "state" / "replay").exists()


def test_no_credentials(night):
    """What goes to the daemon holds none, and what it unpacks reads none."""
    config = other_config(night, secrets_dir="/nowhere")
    assert replay(night, night.run, config)["same"] == 250
    for name in BASES:
        assert f"key-of-{name}".encode() not in (night.folder / "state" / "leadd.mdb").read_bytes()


def test_store_agrees(night):
    text, code = night.leadctl("--json", "store", "check")
    counts = json.loads(text)
    assert code == 0 and counts["problems"] == 0, text
    assert counts["answers"] == counts["calls"] == len(night.ledger(night.run))


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_killed_in_the_middle():
    """kill -9 while a replay is at work: after the next start nothing of it is left, no process and no file."""
    with Stub() as stub, small(stub) as night:
        run = night.run(3000)
        night.wait_end(run, 60)
        asked = len(stub.times())
        scratch = night.folder / "state" / "replay"
        upload = night.upload(bundle(night))
        failed = []

        def ask():
            try:
                night.post(f"/v1/runs/{run}/replay", {"upload": upload})
            except (OSError, http.client.HTTPException) as e:
                failed.append(e)

        thread = threading.Thread(target=ask)
        thread.start()
        wait(lambda: (scratch / "leadd.mdb").exists(), 20, "the scratch store")
        with pytest.raises(Refused) as e:
            night.post(f"/v1/runs/{run}/replay", {})
        assert json.loads(e.value.body)["code"] == "replay-busy"
        children = Path(f"/proc/{night.leadd.pid}/task/{night.leadd.pid}/children").read_text().split()
        assert len(children) == 1
        night.kill()
        thread.join()
        assert failed
        wait(lambda: is_gone(children[0]), what="the end of the child")
        assert scratch.exists()
        night.start()
        assert not scratch.exists() and not (night.folder / "state" / "uploads" / upload).exists()
        answer = night.post(f"/v1/runs/{run}/replay", {"upload": night.upload(bundle(night))})
        assert answer["same"] == 3000 and not scratch.exists()
        assert len(list((night.folder / "state" / "uploads").iterdir())) == 1
        assert len(stub.times()) == asked


def test_restarted_and_retried():
    """A night with kills, leads that a person put back, and a key that was refused for a while, comes out the same."""
    refuse = {"auth": False, "bad": True}

    def answer(asked):
        if refuse["auth"]:
            return 401, {}, {"error": "key"}
        if refuse["bad"] and asked.body["email"].startswith("bob"):
            return 422, {}, {"error": "bob"}
        return 200, {}, {"text": "good " + asked.body["email"]}

    with Stub(answer) as stub, small(stub, limits=["200/1s"]) as night:
        run = night.run(300)
        wait(lambda: len(stub.times()) > 60)
        night.kill()
        night.start()
        wait(lambda: len(stub.times()) > 140)
        refuse["auth"] = True
        wait(lambda: night.service("stub")["keys"][0]["state"] == "parked")
        wait(lambda: night.service("stub")["in_flight"] == 0)
        refuse["auth"] = False
        assert night.leadctl("service", "reset", "stub")[1] == 0
        shown = night.wait_end(run, 60)
        assert shown["outcomes"]["failed"] >= 29
        refuse["bad"] = False
        assert night.leadctl("run", "retry", str(run))[1] == 0
        shown = night.wait_for(run, lambda r: r["state"] == "done" and r["outcomes"]["failed"] == 0)
        reply = night.post(f"/v1/runs/{run}/replay?steps=1", {})
        assert reply["same"] == 300, reply["items"][:3]
        assert steps(reply, "was") == steps(reply, "now")
        said = collections.Counter(s["outcome"] for s in reply["steps_was"])
        assert said["auth"] > 0 and said["permanent"] >= 29 and said["in_doubt"] > 0, said


def test_budget_that_does_not_reach():
    """On less money fewer leads are started, and it says so."""
    with Stub() as stub, small(stub) as night:
        run = night.run(50)
        night.wait_end(run)
        config = other_config(night, campaigns={"demo": {"pipeline": "ask", "budget": 0.2}})
        answer = replay(night, run, config)
        assert answer["same"] == 20 and answer["changes"] == [{"was": "ready", "now": "parked", "leads": 30}]
        assert {i["now"]["reason"] for i in answer["items"]} == {"not-started: budget"} and answer["stands_still"] is None


def test_none_kept():
    """Answers that are not kept cannot be replayed."""
    with Stub() as stub, small(stub, settings={"answers": {"keep": "0s"}}) as night:
        run = night.run(20)
        night.wait_end(run)
        text, code = night.leadctl("replay", "run", str(run))
        assert code == 5 and "no answer of run 1 is kept" in text and "answers: keep" in text, text
        run = night.run(20, start=100, paused=True)
        text, code = night.leadctl("replay", "run", str(run))
        assert code == 5 and "has not ended" in text, text
        checked = json.loads(night.leadctl("--json", "store", "check")[0])
        assert checked["answers"] == checked["problems"] == 0
