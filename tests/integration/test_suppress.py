"""Suppression lists through leadctl, with leadsim as the witness: nobody on the list was ever asked about or written to."""

import hashlib
import json
import threading
import time

import pytest
from flow_kit import good_world, people, wait
from night import Night, Refused


def addresses(data):
    return [line.split(",")[-1] for line in data.decode().splitlines()[1:]]


def domain(address):
    return address.split("@")[1]


def suppress(night, *args):
    text, rc = night.leadctl("suppress", *args)
    assert rc == 0, text
    return text


def stored(night):
    """The store agrees with itself."""
    text, rc = night.leadctl("store", "check")
    assert rc == 0, text


def test_intake():
    """Address, domain and sum: each lead ends as suppressed before anybody was asked, and everything that tells of it knows."""
    data = people(40)
    who = addresses(data)
    with Night(scenario={"services": good_world()}) as night:
        file = night.folder / "list.csv"
        sums = [hashlib.sha256(a.lower().encode()).hexdigest() for a in who[3:6]]
        file.write_text("name,sha256\n" + "".join(f"x,{s}\n" for s in sums) + "x,\nx,nonsense\n")
        assert "2 new, 0 known" in suppress(night, "add", "default", who[0].upper(), "mail." + domain(who[1]), "--reason", "opt-out")
        text, rc = night.leadctl("suppress", "import", "default", str(file))
        assert rc == 1 and "3 new, 0 known, 1 rejected" in text and "line 6:" in text and "nonsense" not in text, text
        run = night.start_run(data)
        end = night.wait_end(run, 60)
        assert end["outcomes"]["suppressed"] == 5 and end["outcomes"]["confirmed"] == 35
        report = night.report()
        assert report["services"]["zerobounce"]["calls"] == 35
        pushed = {p["email"].lower() for p in report["pushed"]["leads"]}
        assert pushed.isdisjoint(a.lower() for a in [who[0], who[1], *who[3:6]]) and len(pushed) == 35
        told = {lead["lead"]: (lead["outcome"], lead["reason"]) for lead in night.export(run)}
        assert told[1] == told[4] == ("suppressed", "suppressed-address")
        assert told[2] == ("suppressed", "suppressed-domain")
        files = night.results(run)
        assert [r["reason"] for r in files["rejects.csv"]].count("suppressed-address") == 4
        assert files["metrics.json"]["reasons"] == {"suppressed: suppressed-address": 4, "suppressed: suppressed-domain": 1}
        text, _ = night.leadctl("why", "lead", f"{run}/2")
        assert "suppressed-domain" in text
        text, _ = night.leadctl("receipt", "run", str(run))
        assert "suppression list" in text, text
        text, _ = night.leadctl("metrics")
        assert 'leadd_leads{outcome="suppressed"} 5' in text
        assert 'leadd_suppression_entries{organisation="default",given="hash"} 3' in text
        assert 'leadd_suppression_entries{organisation="default",given="domain"} 1' in text
        stored(night)


def test_added_meanwhile():
    """Added while leads stand before their push: not one of them goes out, a restart and a reload between or not."""
    data = people(30)
    who = addresses(data)
    with Night(scenario={"services": good_world()}) as night:
        assert night.leadctl("service", "pause", "instantly")[1] == 0
        run = night.start_run(data)
        night.wait_for(run, lambda r: [s["waiting"] for s in r["stages"] if s["stage"] == "push"] == [30], 60)
        suppress(night, "add", "default", *who[:4], domain(who[4]))
        night.kill()
        night.start()
        suppress(night, "add", "default", who[5])
        assert night.leadctl("service", "resume", "instantly")[1] == 0
        end = night.wait_end(run, 60)
        assert end["outcomes"]["suppressed"] == 6 and end["outcomes"]["confirmed"] == 24
        pushed = {p["email"].lower() for p in night.report()["pushed"]["leads"]}
        assert pushed == {a.lower() for a in who[6:]}
        stored(night)


def test_plan():
    """A plan knows the list: those on it cost nothing."""
    data = people(20)
    with Night(scenario={"services": good_world()}) as night:
        file = night.folder / "people.csv"
        file.write_bytes(data)
        suppress(night, "add", "default", *addresses(data)[:7])
        text, rc = night.leadctl("plan", str(file), "--campaign", "demo", "--json")
        leads = json.loads(text)["leads"]
        assert rc == 0 and leads["rows"] == 20 and leads["refused"] == leads["outcomes"]["suppressed"] == 7, text


def test_import():
    """A long list comes in slices with its progress; a second time all of it is known; the daemon answers others meanwhile."""
    n = 30000
    with Night() as night:
        file = night.folder / "long.txt"
        file.write_text("# opt-outs\n" + "".join(f"person{i}@company{i % 500}.com\n" for i in range(n)) + "not one\n\n@big.org\n")
        slowest = []

        def ask():
            while not done.is_set():
                at = time.monotonic()
                night.get("/v1/status")
                slowest.append(time.monotonic() - at)

        done = threading.Event()
        other = threading.Thread(target=ask)
        other.start()
        at = time.monotonic()
        text, rc = night.leadctl("suppress", "import", "default", str(file), "--json")
        done.set()
        other.join()
        told = json.loads(text)
        print(f"{n} entries in {time.monotonic() - at:.1f} s; the slowest status meanwhile {1000 * max(slowest):.0f} ms")
        assert rc == 1 and told["done"] and told["new"] == n + 1 and told["known"] == 0
        assert [r["line"] for r in told["rejects"]] == [n + 2]
        text, rc = night.leadctl("suppress", "import", "default", str(file), "--json", "--source", "again")
        told = json.loads(text)
        assert told["new"] == 0 and told["known"] == n + 1
        shown = night.get("/v1/organisations/default/suppressions")
        assert shown["entries"] == n + 1
        assert [(s["source"], s["addresses"], s["domains"]) for s in shown["items"]] == [("long.txt", n, 1)]
        assert "suppressed-address" in suppress(night, "check", "default", "PERSON29999@company499.com")
        assert "suppressed-domain" in suppress(night, "check", "default", "anybody@x.big.org")
        assert "not on the list" in suppress(night, "check", "default", "nobody@company1.com")
        suppress(night, "remove", "default", "person1@company1.com")
        assert "not on the list" in suppress(night, "check", "default", "person1@company1.com")
        assert "long.txt" in suppress(night, "list", "default")
        stored(night)
        assert list((night.folder / "state" / "uploads").iterdir()) == [], "the uploaded lists are gone"


def test_killed_import():
    """kill -9 in the middle: what was told is there, and the list can be sent again."""
    n = 20000
    data = "".join(f"person{i}@company.com\n" for i in range(n)).encode()
    with Night() as night:
        upload = night.upload(data, "list.txt")
        seen = []

        def read():
            try:
                night.request("POST", "/v1/organisations/default/suppressions/import", {"upload": upload})
            except OSError as e:
                seen.append(e)

        reader = threading.Thread(target=read)
        reader.start()
        wait(lambda: night.get("/v1/organisations/default/suppressions")["entries"] >= 2000)
        night.kill()
        reader.join()
        night.start()
        kept = night.get("/v1/organisations/default/suppressions")["entries"]
        assert 2000 <= kept <= n
        stored(night)
        answer = night.request("POST", "/v1/organisations/default/suppressions/import", {"upload": night.upload(data, "list.txt")})
        last = json.loads(answer.decode().splitlines()[-1])
        assert last["done"] and last["new"] == n - kept and last["known"] == kept
        assert night.get("/v1/organisations/default/suppressions")["entries"] == n
        stored(night)


def refused(night, path, body):
    with pytest.raises(Refused) as e:
        night.request("POST", f"/v1/organisations/{path}", body)
    return e.value.status, json.loads(e.value.body)


def test_refusals():
    """What is wrong is told with what would be right, and never with the address itself."""
    with Night() as night:
        status, told = refused(night, "defalt/suppressions", {"entries": ["a@acme.com"]})
        assert status == 404 and "'default'" in told["detail"]
        for body in ({}, {"entries": []}, {"entries": [7]}, {"entries": ["a@acme.com"] * 1001}):
            status, told = refused(night, "default/suppressions", body)
            assert status == 400 and told["code"] == "bad-entries", told
        status, told = refused(night, "default/suppressions", {"entries": ["a@acme.com"], "reason": "Two words"})
        assert status == 400 and told["code"] == "bad-reason"
        status, told = refused(night, "default/suppressions/check", {"entry": "secret@"})
        assert status == 400 and "secret" not in json.dumps(told)
        status, told = refused(night, "default/suppressions/import", {"upload": "0" * 32})
        assert status == 404
        text, rc = night.leadctl("suppress", "add", "default", "co.uk", "a@acme.com")
        assert rc == 1 and "public suffix" in text and "1 new" in text
        file = night.folder / "none.csv"
        file.write_text("Name,City\nAnn,Rome\n")
        text, rc = night.leadctl("suppress", "import", "default", str(file))
        assert rc == 1 and "no column" in text, text
        assert night.get("/v1/organisations/default/suppressions")["entries"] == 1
