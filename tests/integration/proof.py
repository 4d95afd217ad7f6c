"""What must hold at the end of a night, whatever happened in it. Each function asserts; leadsim's report is the witness."""

import collections
import csv
import io
import re
from datetime import datetime

from night import ROOT

OUTCOMES = ("ready", "delivered", "confirmed", "rejected", "suppressed", "duplicate", "failed", "parked", "recalled")
ADDRESS = re.compile(r"[a-z0-9._%+'-]*[a-z0-9_%+'-]@([a-z0-9-]+\.)+[a-z]{2,}")
IDS = ("pushed_id", "found_id", "pushed_since")  # given by the destination at each push


def rows(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def usable(data):
    """The addresses of a file that have to be verified, by rules much simpler than leadd's own."""
    roles = set((ROOT / "etc" / "lists" / "role.txt").read_text().split())
    found = set()
    for row in rows(data):
        address = row["email"].strip().lower()
        if ADDRESS.fullmatch(address) and address.split("@")[0] not in roles and not re.search(r"[\d:]", row["full_name"]):
            found.add(address)
    return found


def micro(text):
    """Money as people read it."""
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def one_outcome(data, exported):
    """Every lead is there once and has an outcome."""
    assert [lead["lead"] for lead in exported] == list(range(1, len(rows(data)) + 1))
    assert all(lead["outcome"] in OUTCOMES for lead in exported), "a lead is still open"


def sums(night, run, exported, ledger):
    """run show, export, the files of the end, the ledger and its summary tell the same story."""
    shown = night.get(f"/v1/runs/{run}")
    files = night.results(run)
    metrics = files["metrics.json"]
    counts = collections.Counter(lead["outcome"] for lead in exported)
    assert shown["open"] == 0
    assert {k: v for k, v in shown["outcomes"].items() if v} == dict(counts)
    assert metrics["outcomes"] == shown["outcomes"]
    assert len(files["contacts.csv"]) + len(files["rejects.csv"]) == len(exported) == shown["total"] == metrics["total"]
    in_files = [int(r["lead"]) for r in files["contacts.csv"]] + [int(r["row"]) - 1 for r in files["rejects.csv"]]
    assert sorted(in_files) == [lead["lead"] for lead in exported]

    summary = files["summary.txt"]
    told = dict((word, int(n)) for word, n in re.findall(r"^  ([a-z]+) +(\d+)$", summary, re.M))
    assert told == dict(counts)
    why = collections.Counter(f"{lead['outcome']}: {lead['reason']}" for lead in exported if lead["reason"])
    assert metrics["reasons"] == dict(why)
    assert {m[1]: int(m[0]) for m in re.findall(r"^ +(\d+)  (\S+: \S+) +spent", summary, re.M)} == dict(why)

    states = collections.Counter(call["state"] for call in ledger)
    money = collections.Counter()
    for call in ledger:
        money[call["state"]] += call["settled_micro"]
    account = night.get(f"/v1/ledger/summary?run={run}")
    assert {k: v for k, v in account["calls"].items() if v} == dict(states)
    for told in (shown, metrics, account):
        assert told["settled_micro"] == money["settled"]
        assert told["in_doubt_micro"] == money["in-doubt"]
        assert told["reserved_micro"] == 0
    cost = re.search(r"^cost +(\S+) USD settled, (\S+) in doubt$", summary, re.M)
    assert (micro(cost[1]), micro(cost[2])) == (money["settled"], money["in-doubt"])
    assert sum(lead["spent_micro"] for lead in exported) == money["settled"] + money["in-doubt"]

    calls = collections.Counter(call["service"] for call in ledger)
    assert {s["service"]: s["calls"] for s in metrics["services"]} == dict(calls)
    assert sum(s["calls"] for s in shown["stages"]) == len(ledger)
    for stage in shown["stages"]:
        assert stage["waiting"] == stage["in_flight"] == stage["retrying"] == stage["held"] == 0, stage
        assert stage["calls"] == sum(call["parts"][0]["stage"] == stage["stage"] for call in ledger)


def bill(ledger, report):
    """Line by line: each settled row that cost money is one bill line, or one for each lead of a batch; each other line is a
    row in doubt."""
    lines = {}
    several = {call["call"] for call in ledger if len(call["parts"]) > 1}
    for line in report["bills"]:
        before = lines.get(line["call"])
        assert before is None or line["call"] in several, "two lines of one call"
        lines[line["call"]] = {**line, "price_micro": line["price_micro"] + (before["price_micro"] if before else 0)}
    settled = in_doubt = 0
    for call in ledger:
        line = lines.pop(call["call"], None)
        if call["state"] == "settled":
            assert (line["price_micro"] if line else 0) == call["settled_micro"], (call, line)
            settled += call["settled_micro"]
        elif call["state"] == "in-doubt":
            in_doubt += call["settled_micro"]
        else:
            assert line is None, f"billed, but {call['state']}: {call}"
    assert not lines, "billed, but not in the ledger"
    assert settled <= report["billed_micro"] <= settled + in_doubt
    return settled, report["billed_micro"], in_doubt


def repeats(ledger, report):
    """What was asked again against P3, as pairs of rows. Two leads of equal name and company share a prompt: those
    the provider cannot tell apart, the ledger can."""
    calls = {call["call"]: call for call in ledger}
    assert len(report["repeats"]) == report["repeats_p3"], "more than the report lists"
    found = []
    for pair in report["repeats"]:
        first, second = calls[pair["first"]], calls[pair["second"]]
        if first["parts"][0]["lead"] == second["parts"][0]["lead"]:
            found.append((first, second))
    return found


def doubts(ledger):
    """(lead, stage) -> its calls in doubt."""
    found = collections.defaultdict(list)
    for call in ledger:
        if call["state"] == "in-doubt":
            found[call["parts"][0]["lead"], call["parts"][0]["stage"]].append(call)
    return found


def pushes(ledger, report):
    """Nothing is there twice. A push was made again only when the one before was refused, in doubt (the ledger lists it),
    or gone when it was read back."""
    assert report["pushed"]["doubled"] == 0
    by_lead = collections.defaultdict(list)
    for call in reversed(ledger):
        if call["service"] == "instantly":
            by_lead[call["parts"][0]["lead"]].append(call)
    for calls in by_lead.values():
        may = True
        for call in calls:
            if call["endpoint"] == "push":
                assert may, calls
                may = call["state"] == "in-doubt" or call["outcome"] in ("unsent", "transient", "throttle")
            else:
                may = may or call["outcome"] == "empty"


def windows(night, report):
    """No window of any limit held more than it may: by leadsim's count of arrivals and by leadd's own audit."""
    for name, service in report["services"].items():
        assert service["violations"] == 0, (name, service["windows"])
    audit = night.get("/v1/limits/audit?since_ms=86400000")["items"]
    assert audit and all(item["ok"] for item in audit), audit


def used(ledger, service, most, seconds, margin=1.0):
    """The share of a sliding limit that was used while work waited: of N in each T + u (see P4), over as many whole
    periods as lie between the first call and the last one that was no repeat: then the queue was empty."""
    def at(call, name):
        return datetime.fromisoformat(call[name]).timestamp()

    calls = [call for call in reversed(ledger) if call["service"] == service and call["sent"]]
    spans = [min(margin, at(call, "answered") - at(call, "sent")) for call in calls if call["answered"]]
    period = seconds + sum(spans) / len(spans)
    sent = [at(call, "sent") for call in calls]
    last = max({call["parts"][0]["lead"]: at(call, "sent") for call in reversed(calls)}.values())
    periods = int((last - min(sent)) / period)
    assert periods >= 3, "too short to tell"
    return sum(when < min(sent) + periods * period for when in sent) / (periods * most)


def fate(exported):
    """What became of each lead, without what differs from night to night."""
    return {lead["lead"]: (lead["outcome"], lead["reason"], {k: v for k, v in lead["fields"].items() if k not in IDS})
            for lead in exported}


def same_fate(fates, expected):
    """Both are of fate()."""
    for lead, (outcome, reason, fields) in expected.items():
        assert fates[lead][:2] == (outcome, reason), f"lead {lead}"
        other = fates[lead][2]
        assert {k: v for k, v in other.items() if fields.get(k) != v} == \
            {k: v for k, v in fields.items() if other.get(k) != v}, f"lead {lead}"
    assert fates.keys() == expected.keys()
