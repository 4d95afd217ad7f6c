"""A night under the shim: leadd dies or fails where it is told to, is started again, and must have kept what it said.

LEADD, LEADCTL, LEADSIM and FAULT_SHIM name the programs and the library.
"""

import collections
import ctypes
import gzip
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import proof
from night import ENDED, LEADS, Night, Refused, calm  # noqa: E402

SHIM = os.environ["FAULT_SHIM"]
NEVER = 2 ** 64 - 1
# A lead whose step was cut short more often than it may be repeated: paid calls are held, reading back is given up.
TOO_OFTEN = (("parked", "in-doubt"), ("delivered", "restarted"))
library = ctypes.CDLL(SHIM)
library.fault_site_name.restype = library.fault_group_name.restype = ctypes.c_char_p


def names(function):
    found = []
    while (name := function(len(found))) is not None:
        found.append(name.decode())
    return found


SITES = names(library.fault_site_name)
GROUPS = names(library.fault_group_name)
POINTS = [f"{site}-{moment}" for number, site in enumerate(SITES) if site not in ("malloc", "socket")
          for moment in ("before", "half", "after") if moment != "half" or library.fault_has_half(number)]


class Page:
    """struct page of shim.h, shared with the leadd that runs."""

    FIELDS = ["kill_site", "kill_moment", "kill_at", "fail_group", "fail_first", "fail_last", "fail_how", "failed"]

    def __init__(self, path):
        self.path = str(path)
        self.words = len(self.FIELDS) + len(SITES) + len(GROUPS)
        with open(path, "w+b") as file:
            file.write(bytes(8 * self.words))
            file.flush()
            self.map = memoryview(mmap.mmap(file.fileno(), 8 * self.words)).cast("Q")

    def __getitem__(self, name):
        return self.map[self.FIELDS.index(name)]

    def __setitem__(self, name, value):
        self.map[self.FIELDS.index(name)] = value

    def clear(self):
        for i in range(self.words):
            self.map[i] = 0

    def passes(self, site):
        return self.map[len(self.FIELDS) + SITES.index(site)]

    def calls(self, group):
        return self.map[len(self.FIELDS) + len(SITES) + GROUPS.index(group)]

    def fail(self, group, n, sticky=False, how=0):
        """The n-th call from now on fails; sticky: and all after it."""
        self["fail_first"] = 0
        self["failed"] = 0
        self["fail_group"] = GROUPS.index(group)
        self["fail_how"] = how or {"malloc": 12, "socket": 24, "accept": 24, "fdatasync": 5, "pwrite": 28}[group]
        self["fail_last"] = NEVER if sticky else self.calls(group) + n
        self["fail_first"] = self.calls(group) + n


def environment(page):
    """Sanitizers want to be the first library; the shim has to come before them and hands every call on to them."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": SHIM, "FAULT_PAGE": page.path,
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0:detect_leaks=0:exitcode=99:abort_on_error=0"}


class FaultNight(Night):
    """One store through many lives. What was acknowledged is kept in `told`, and asked for again after each death."""

    def __init__(self, **more):
        more.setdefault("scenario", {"doubt": "1s", "services": calm("10ms", "30ms", "5ms")})
        more.setdefault("factor", 600)
        super().__init__(**more)
        self.page = Page(self.folder / "page")
        self.told = Told()
        self.checks = 0

    def start(self, wait=True, kill=None):
        self.page.clear()
        self.env = environment(self.page)
        if kill is not None:
            self.env["FAULT_KILL"] = kill
        super().start(wait)

    def comes_up(self):
        """False when it died on the way."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self.request("GET", "/v1/status")
                return True
            except Refused:
                return True
            except OSError:
                if self.leadd.poll() is not None:
                    return False
                time.sleep(0.004)
        raise AssertionError("leadd does not answer")

    def store_holds(self):
        """store check on the dead store."""
        done = subprocess.run([os.environ["LEADD"], "--store-check", str(self.folder / "state")], capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, f"store check: {done.stdout}{done.stderr}\n{self.log()[-2000:]}"
        self.checks += 1

    def all_hold(self, runs):
        """runs: {number: bytes of its file}. What must hold at the end of everything."""
        report = self.report()
        ledger, exports = [], {}
        for run, data in runs.items():
            exported, calls = self.export(run), self.ledger(run)
            proof.one_outcome(data, exported)
            proof.sums(self, run, exported, calls)
            exports[run] = exported
            ledger += calls
        ledger.sort(key=lambda call: call["call"], reverse=True)
        for call in ledger:  # leads of different runs are different leads
            call["parts"][0]["lead"] = (call["parts"][0]["run"], call["parts"][0]["lead"])
        proof.windows(self, report)
        proof.pushes(ledger, report)
        assert proof.repeats(ledger, report) == []
        return exports, ledger, report, proof.bill(ledger, report)

    def retry_worn(self, runs):
        """Leads that were cut short too often are put back, as an operator would."""
        for run in runs:
            if any((lead["outcome"], lead["reason"]) in TOO_OFTEN for lead in self.export(run)):
                self.post(f"/v1/runs/{run}/retry", {"outcome": ["parked", "delivered"]})
        for run in runs:
            self.wait_end(run)


class Told:
    """What leadd acknowledged. An answer that did not arrive leaves both possible."""

    def __init__(self):
        self.uploads = {}                      # id -> offset
        self.runs = {}                         # number -> states it may be in
        self.services = {}                     # name -> paused: True, False or None (not known)
        self.leads = collections.defaultdict(dict)  # run -> lead -> (outcome, reason)
        self.counted = {}                      # run -> imported rows
        self.checked = 0

    def __len__(self):
        return len(self.uploads) + len(self.runs) + len(self.services) + sum(map(len, self.leads.values()))

    def see_run(self, shown):
        number = shown["run"]
        assert shown["imported"] >= self.counted.get(number, 0), f"rows of run {number} are gone"
        self.counted[number] = shown["imported"]

    def see_leads(self, run, leads):
        known = self.leads[run]
        for lead in leads:
            if lead["outcome"] is not None:
                now = (lead["outcome"], lead["reason"])
                assert known.get(lead["lead"], now) == now, f"lead {run}/{lead['lead']} was {known[lead['lead']]}, is {now}"
                known[lead["lead"]] = now
            else:
                assert lead["lead"] not in known, f"the outcome of lead {run}/{lead['lead']} is gone"

    def ask(self, night):
        """Raises ConnectionError when leadd dies meanwhile, AssertionError for a loss."""
        for upload, offset in self.uploads.items():
            there = night.get(f"/v1/uploads/{upload}")
            assert there["offset"] >= offset, f"upload {upload}: {offset} acknowledged, {there['offset']} there"
        runs = {shown["run"]: shown for shown in night.items("/v1/runs")}
        for number, states in self.runs.items():
            assert number in runs, f"run {number} is gone"
            assert runs[number]["state"] in states, f"run {number} is {runs[number]['state']}, not {states}"
            self.see_run(runs[number])
        for name, paused in self.services.items():
            there = night.get(f"/v1/services/{name}")["paused"]
            assert paused is None or there == paused, f"service {name}: paused {there}, acknowledged {paused}"
        self.checked += 1


def people(n=None):
    """The large file's usable rows, each address and each person once, as (header, rows)."""
    text = gzip.decompress((LEADS / "people-14k.csv.gz").read_bytes()).decode()
    header = text.splitlines()[0]
    seen, found = set(), []
    for row in proof.rows(text.encode()):
        address, person = row["email"].strip().lower(), (row["full_name"].lower(), row["company"].lower())
        if address in seen or person in seen or not proof.ADDRESS.fullmatch(address):
            continue
        seen |= {address, person}
        found.append(row)
        if len(found) == n:
            break
    return header, found


def table(header, rows):
    import csv
    import io
    out = io.StringIO()
    writer = csv.DictWriter(out, header.split(","), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def undisturbed(header, rows):
    """What becomes of these people when nobody disturbs: address -> (outcome, reason, fields)."""
    with Night(scenario={"doubt": "1s", "services": calm("10ms", "20ms", "5ms")}, factor=6000) as night:
        run = night.start_run(table(header, rows))
        night.wait_end(run)
        return by_address(night.export(run))


def by_address(exported):
    fates = proof.fate(exported)
    return {lead["fields"]["email"].lower(): fates[lead["lead"]] for lead in exported}


def same(found, expected):
    for address, (outcome, reason, fields) in found.items():
        assert (outcome, reason) == expected[address][:2], f"{address}: {outcome} {reason}, undisturbed {expected[address][:2]}"
        assert fields == expected[address][2], address
