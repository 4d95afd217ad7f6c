"""What happens when the n-th malloc, socket, accept, fdatasync or pwrite fails, for n = 1, 2, …

    failures.py [--scale N] [--seed N] [--only SCENARIO:GROUP[:HOW]]

Scenarios: a start; a restart with calls open; requests of every kind to the control API; runs of two leads from the upload to
the files of the end. Where a scenario has more calls than attempts are made, the early ones are all tried and the others in
equal steps from a place chosen by the seed. --scale multiplies the number of attempts.

After each: leadd answers, or has refused, or has ended cleanly (exit 0 or 1; SIGABRT when memory was out: there it gives up
on purpose, see daemon/memory.c). After an end the store check finds nothing, and at the next start all that was acknowledged is
there. At the end every lead has the outcome it has when nothing fails.
"""

import argparse
import collections
import random
import time

from rig import (ENDED, GROUPS, FaultNight, Refused, by_address, calm, environment, people, same, table, undisturbed)

SHORT = 1000
KINDS = [("malloc", 0, False), ("malloc", 0, True), ("socket", 0, False), ("socket", 0, True), ("accept", 0, False),
         ("fdatasync", 0, False), ("pwrite", 28, False), ("pwrite", 5, False), ("pwrite", SHORT, False)]
HOW = {0: "", 28: ":enospc", 5: ":eio", SHORT: ":short"}
PATIENCE = 1.0  # seconds that a run gets after a failure before leadd is started anew
EARLY = 12


class Failing(FaultNight):
    """Small runs, and whatever fails is asked for again."""

    def __init__(self, dice, **more):
        super().__init__(scenario={"doubt": "1s", "services": calm("4ms", "8ms", "2ms")}, factor=6000, **more)
        self.dice = dice
        self.header, self.people = people()
        self.used = 0
        self.files = {}                  # run -> bytes
        self.ends = collections.Counter()
        self.what = ""

    def rows(self, n):
        self.used += n
        assert self.used <= len(self.people), "no people left"
        return table(self.header, self.people[self.used - n:self.used])

    def run_paused(self, n):
        data = self.rows(n)
        run = self.start_run(data, paused=True)
        self.files[run] = data
        self.told.runs[run] = {"paused"}
        self.wait_for(run, lambda r: not r["importing"])
        return run

    def ended(self, group):
        """It is dead: was that clean? Then it starts again, whole."""
        code = self.leadd.wait(timeout=60)
        allowed = (0, 1, -6) if group == "malloc" else (0, 1)
        assert code in allowed, f"{self.what}: ended with {code}\n{self.log()[-3000:]}"
        self.ends[code] += 1
        self.store_holds()
        self.start_whole()

    def start_whole(self):
        self.start()
        self.told.ask(self)

    def restart(self):
        self.kill()
        self.store_holds()
        self.start_whole()

    def alive(self):
        """It answers, although something failed."""
        for _ in range(3):
            try:
                self.request("GET", "/v1/status", timeout=10)
                return True
            except Refused:
                pass
            except TimeoutError:
                raise AssertionError(f"{self.what}: leadd hangs\n{self.log()[-3000:]}") from None
            except OSError:
                time.sleep(0.02)
        if self.leadd.poll() is None:
            time.sleep(0.2)
        assert self.leadd.poll() is not None, f"{self.what}: leadd does not answer any more\n{self.log()[-3000:]}"
        return False


def numbers(most, attempts, dice):
    """Which n of 1..most."""
    attempts = max(attempts, 1)
    if most <= attempts:
        return list(range(1, most + 1))
    early = list(range(1, min(EARLY, attempts // 2) + 1))
    step = (most - len(early)) / (attempts - len(early))
    return early + [len(early) + 1 + int(step * (i + dice.random())) for i in range(attempts - len(early))]


def spec(kind, n):
    group, how, sticky = kind
    return f"{group}:{n}{'+' if sticky else ''}{HOW[how]}"


# --- scenarios: each yields (name of the attempt's kind, calls that can fail, a function that makes the attempt) ---

def start_with(night, kind, n, open_calls):
    """Started with the n-th call failing; came up or ended, then whole again."""
    if open_calls:
        run = night.run_paused(2)
        night.post(f"/v1/runs/{run}/resume")
        night.told.runs[run] = {"running", "done"}
        time.sleep(night.dice.uniform(0.002, 0.02))
    night.kill()
    night.what = f"start with {spec(kind, n)}"
    night.env = {**environment(night.page), "FAULT_FAIL": spec(kind, n)}
    night.page.clear()
    super(FaultNight, night).start(wait=False)
    came_up = night.comes_up()
    failed = night.page["failed"]
    night.page["fail_first"] = 0
    if came_up and night.alive():
        night.told.ask(night)
        night.ends["at work"] += 1
    else:
        night.ended(kind[0])
    return failed


class Requests:
    """One of each kind, and what its answer promised."""

    def __init__(self, night):
        self.night = night
        self.told = night.told
        self.run = self.upload = None

    def prepare(self):
        self.upload = self.night.post("/v1/uploads", {"name": "a.csv", "size": 0})["upload"]
        self.told.uploads[self.upload] = 0
        self.run = self.night.run_paused(1)

    def get(self, path):
        self.night.request("GET", path)

    def open_upload(self):
        upload = self.night.post("/v1/uploads", {"name": "b.csv", "size": 5})["upload"]
        self.told.uploads[upload] = 0

    def part(self):
        self.send_part(self.upload, b"x" * 3000)

    def send_part(self, upload, data):
        """Refused: not a byte more is there than was acknowledged. Sent again: it is there, and synced."""
        offset = self.told.uploads[upload]
        try:
            self.night.request("PUT", f"/v1/uploads/{upload}?offset={offset}", data)
            self.told.uploads[upload] = offset + len(data)
        except Refused as e:
            assert e.status >= 500, e
            there = self.night.get(f"/v1/uploads/{upload}")["offset"]
            assert there == offset, f"{self.night.what}: refused, but {there - offset} bytes are kept"

    def start_run(self):
        data = self.night.rows(1)
        upload = self.night.upload(data)
        key = {"Idempotency-Key": f"u{upload}"}
        body = {"campaign": "demo", "upload": upload, "paused": True}
        for attempt in range(3):
            try:
                run = self.night.post("/v1/runs", body, key)["run"]
                break
            except (Refused, OSError):
                if not self.night.alive():
                    self.night.ended("malloc")
        else:
            raise AssertionError(f"{self.night.what}: a run cannot be started any more")
        assert run not in self.night.files
        self.night.files[run] = data
        self.told.runs[run] = {"paused"}

    def change(self, verb, state):
        before = self.told.runs[self.run]
        self.told.runs[self.run] = before | {state}
        self.night.post(f"/v1/runs/{self.run}/{verb}")
        self.told.runs[self.run] = {state}

    def pause_service(self):
        for verb, paused in (("pause", True), ("resume", False)):
            self.told.services["openai"] = None
            self.night.post(f"/v1/services/openai/{verb}")
            self.told.services["openai"] = paused

    def set_limit(self):
        self.night.request("PUT", "/v1/services/openai/limit", {"max": "500000/60s"})

    def all(self):
        yield "status", lambda: self.get("/v1/status")
        yield "upload", self.open_upload
        yield "part", self.part
        yield "run", self.start_run
        yield "pause again", lambda: self.change("pause", "paused")
        yield "service pause", self.pause_service
        yield "limit", self.set_limit
        yield "reload", lambda: self.night.post("/v1/reload")
        yield "show", lambda: self.get(f"/v1/runs/{self.run}")
        yield "export", lambda: self.get(f"/v1/runs/{self.run}/export?format=jsonl")
        yield "lead", lambda: self.get(f"/v1/leads/{self.run}/1")
        yield "why", lambda: self.get(f"/v1/why/run/{self.run}")
        yield "ledger", lambda: self.get("/v1/ledger?limit=20")
        yield "audit", lambda: self.get("/v1/limits/audit?since_ms=60000")
        yield "service", lambda: self.get("/v1/services/zerobounce")


def request_with(night, kind, n, action):
    group, how, sticky = kind
    night.page.fail(group, n, sticky, how)
    try:
        action()
        end = "done"
    except Refused as e:
        assert e.status >= 500, f"{night.what}: {e}"
        end = "refused"
    except (OSError, ValueError):  # broken off, perhaps in the middle of the JSON of an answer
        end = "broken off"
    failed = night.page["failed"]
    night.page["fail_first"] = 0
    if failed:
        night.ends[end] += 1
        if not night.alive():
            night.ended(group)
    return failed


def requests(night, kinds, scale):
    """Every kind of request with its n-th call failing, until it has no n-th any more or all attempts are made."""
    attempts = 0
    r = Requests(night)
    r.prepare()
    for name, action in r.all():
        for kind in kinds:
            group = kind[0]
            before = night.page.calls(group)
            request_with(night, kind, 10 ** 9, action)
            most = night.page.calls(group) - before
            for n in numbers(most, int((2 if group == "malloc" else 1) * scale), night.dice):
                night.what = f"{name} with {spec(kind, n)} of {most}"
                request_with(night, kind, n, action)
                attempts += 1
    night.restart()
    for name in night.told.services:  # paused, when the answer to `resume` was lost
        night.post(f"/v1/services/{name}/resume")
        night.told.services[name] = False
    return attempts


def runs_with(night, kind, n):
    """A run of two leads, from its upload to its files, with the n-th call failing on the way."""
    group, how, sticky = kind
    night.page.fail(group, n, sticky, how)
    data = night.rows(2)
    began = failed_at = None
    run = None
    began = time.monotonic()
    try:
        run = night.start_run(data)
        while time.monotonic() < began + 10:
            shown = night.get(f"/v1/runs/{run}")
            if shown["state"] in ENDED and shown["results"] is not None:
                break
            if night.page["failed"]:
                failed_at = failed_at or time.monotonic()
                if time.monotonic() > failed_at + PATIENCE * (0.3 if sticky else 1):
                    break
            time.sleep(0.005)
        end = "ended" if shown["state"] in ENDED else "goes on later"
    except Refused as e:
        assert e.status >= 500 or e.status == 409, f"{night.what}: {e}"
        end = "refused"
    except (OSError, ValueError):
        end = "broken off"
    failed = night.page["failed"]
    night.page["fail_first"] = 0
    if run is not None:
        night.files[run] = data
        night.told.runs[run] = {"running", "done"}
    if failed:
        night.ends[end] += 1
    if not night.alive():
        night.ended(group)
    elif end == "goes on later":
        night.restart()
    return failed


def runs(night, kinds, scale):
    attempts = 0
    for kind in kinds:
        group = kind[0]
        if group == "socket":
            night.restart()  # no connection is open yet
        before = night.page.calls(group)
        runs_with(night, kind, 10 ** 9)
        most = night.page.calls(group) - before
        for n in numbers(most, int((16 if group == "malloc" else 4) * scale), night.dice):
            night.what = f"run with {spec(kind, n)} of {most}"
            if group == "socket":
                night.restart()
            runs_with(night, kind, n)
            attempts += 1
    return attempts


def starts(night, kinds, scale, open_calls):
    attempts = 0
    night.restart()
    for kind in kinds:
        group = kind[0]
        most = max(night.page.calls(group), 1)
        for n in numbers(most, int((24 if group == "malloc" else 5) * scale), night.dice):
            start_with(night, kind, n, open_calls)
            attempts += 1
    night.restart()
    return attempts


SCENARIOS = {
    "start": lambda night, kinds, scale: starts(night, kinds, scale, False),
    "restart": lambda night, kinds, scale: starts(night, kinds, scale / 2, True),
    "requests": requests,
    "runs": runs,
}


def finish(night):
    night.restart()
    for run in night.files:
        if "paused" in night.told.runs[run]:
            night.post(f"/v1/runs/{run}/resume")
    for run in list(night.items("/v1/runs")):  # those that nobody was told of
        if run["run"] not in night.files and run["state"] == "paused":
            night.post(f"/v1/runs/{run['run']}/cancel")
    for run in night.files:
        night.wait_end(run)
    night.retry_worn(night.files)
    exports = {run: night.export(run) for run in night.files}
    expected = undisturbed(night.header, night.people[:night.used])
    for exported in exports.values():
        same(by_address(exported), expected)
    report = night.report()
    assert report["violations"] == 0
    assert night.stop() == 0
    night.store_holds()
    return exports


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--scale", type=float, default=1)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", help="SCENARIO:GROUP[:HOW], such as runs:pwrite:eio or start:malloc")
    o = options.parse_args()
    scenario, _, group = (o.only or "").partition(":")
    total = 0
    with Failing(random.Random(o.seed)) as night:
        for name, attempt in SCENARIOS.items():
            for each in GROUPS:
                kinds = [k for k in KINDS if k[0] == each and (group in ("", each, f"{each}{HOW[k[1]]}"))]
                if not kinds or scenario not in ("", name) or (name, each) == ("requests", "socket"):
                    continue
                began = time.monotonic()
                night.ends.clear()
                if each == "malloc" and night.page.calls("malloc") == 0:
                    print(f"{name:9} malloc     not tried: sanitizers bring their own, which ends the process by itself")
                    continue
                n = attempt(night, kinds, o.scale)
                total += n
                ends = ", ".join(f"{count} {f'exit {end}' if isinstance(end, int) else end}" for end, count in night.ends.most_common())
                print(f"{name:9} {each:10} {n:5} attempts in {time.monotonic() - began:.1f} s: {ends}", flush=True)
        exports = finish(night)
        print(f"{total} attempts (seed {o.seed}), {night.checks} store checks, {len(exports)} runs and "
              f"{sum(map(len, exports.values()))} leads as undisturbed; false acknowledgements 0")


if __name__ == "__main__":
    main()
