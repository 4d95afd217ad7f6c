"""kill -9 of leadd under load, hundreds of times: at named points of its own calls and at random moments.

    kills.py [--kills N] [--seed N] [--point NAME ...] [--points]

One store lives through all of it. Runs are in flight, an upload comes in by small parts, runs and services are paused and go
on. After each death: store check on the dead store; after each start: everything that was ever acknowledged is there. At the
end: every lead has the outcome it has when nobody kills, no window was exceeded, nothing was repeated against P3, the bill
fits the ledger.
"""

import argparse
import collections
import random
import threading
import time

from rig import (ENDED, POINTS, TOO_OFTEN, FaultNight, Refused, by_address, people, proof, same, table,
                 undisturbed)

LEADS_OF_A_RUN = 30
PART = 1500
AT_ONCE = 2  # runs in flight
# How often a point is passed in a short life: the n of its n-th pass is taken from here.
RARE = {"upload-write": 6, "upload-sync": 6, "results-sync": 6, "results-rename": 1, "store-meta": 40, "store-sync": 40}
OFTEN = 150


def again(rows, n):
    """The same people at other addresses."""
    return [{**row, "email": f"n{n}.{row['email']}", "full_name": f"{row['full_name']} {'I' * n}"} for row in rows]


class Load:
    """A client that always has something to ask for. Every step is one request; the rest goes on by itself."""

    def __init__(self, night, dice):
        self.night = night
        self.told = night.told
        self.dice = dice
        self.header, self.people = people()
        self.first = len(self.people)
        self.used = 0
        self.files = {}            # run -> bytes of its file
        self.busy = []             # runs that may still be open
        self.upload = None         # [id or None, bytes, name]
        self.steps = self.acknowledged = 0

    def step(self):
        self.steps += 1
        if len(self.busy) < AT_ONCE or self.upload is not None:
            self.bring()
        else:
            self.dice.choice((self.look, self.look, self.pause, self.go_on, self.pause_service, self.leads, self.leads))()
        self.acknowledged += 1

    def bring(self):
        """The next request of a run on its way in; each may be the last that leadd hears."""
        if self.upload is None:
            if len(self.people) < self.used + LEADS_OF_A_RUN:
                self.people += again(self.people[:self.first], len(self.people) // self.first)
            rows = self.people[self.used:self.used + LEADS_OF_A_RUN]
            self.used += LEADS_OF_A_RUN
            self.upload = [None, table(self.header, rows), f"people-{self.used}"]
        upload, data, name = self.upload
        if upload is None:
            upload = self.upload[0] = self.night.post("/v1/uploads", {"name": f"{name}.csv", "size": len(data)})["upload"]
            self.told.uploads[upload] = 0
        elif (offset := self.told.uploads[upload]) < len(data):
            answer = self.night.request("PUT", f"/v1/uploads/{upload}?offset={offset}", data[offset:offset + PART])
            assert answer
            self.told.uploads[upload] = min(offset + PART, len(data))
        else:
            run = self.night.post("/v1/runs", {"campaign": "demo", "upload": upload}, {"Idempotency-Key": name})["run"]
            assert run not in self.files, f"two files became run {run}"
            self.files[run] = data
            self.told.runs[run] = {"running", "done"}
            del self.told.uploads[upload]  # that it is whole is why there is a run
            self.busy.append(run)
            self.upload = None

    def change(self, run, verb, states):
        known = self.told.runs[run]
        self.told.runs[run] = known | states
        try:
            shown = self.night.post(f"/v1/runs/{run}/{verb}")
            self.told.runs[run] = states
            self.told.see_run(shown)
        except Refused as e:  # it had ended
            assert e.status == 409, e
            self.told.runs[run] = known

    def pause(self):
        self.change(self.dice.choice(self.busy), "pause", {"paused"})

    def go_on(self):
        for run in self.busy:
            if "paused" in self.told.runs[run]:
                self.change(run, "resume", {"running", "done"})

    def pause_service(self):
        name = self.dice.choice(("zerobounce", "perplexity", "openai", "instantly"))
        for verb, paused in (("pause", True), ("resume", False)):
            self.told.services[name] = None
            self.night.post(f"/v1/services/{name}/{verb}")
            self.told.services[name] = paused

    def look(self):
        self.go_on()
        for run in list(self.busy):
            shown = self.night.get(f"/v1/runs/{run}")
            self.told.see_run(shown)
            if shown["state"] in ENDED:
                self.busy.remove(run)
                self.told.runs[run] = {shown["state"]}

    def leads(self):
        run = self.dice.choice(list(self.files)[-4:])
        self.told.see_leads(run, self.night.items(f"/v1/runs/{run}/leads?"))


class Rig:
    def __init__(self, night, load, dice, points):
        self.night = night
        self.load = load
        self.dice = dice
        self.points = points
        self.by_point = collections.Counter()

    def choose(self):
        """A point and its n, or None: a random moment."""
        if not self.points or self.dice.random() < 0.25:
            return None
        # those that were met least come first: some are passed rarely
        least = min(self.by_point[p] for p in self.points)
        point = self.dice.choice([p for p in self.points if self.by_point[p] <= least + 1])
        return f"{point}:{self.dice.randint(1, RARE.get(point.rsplit('-', 1)[0], OFTEN))}"

    def life(self):
        """Until it is dead."""
        kill = self.choose()
        self.night.start(wait=False, kill=kill)
        process = self.night.leadd
        timer = threading.Timer(self.dice.uniform(0.02, 0.4) if kill is None else self.dice.uniform(0.3, 0.45), process.kill)
        timer.start()
        try:
            if self.night.comes_up():
                self.night.told.ask(self.night)
                while True:
                    self.load.step()
        except OSError:
            pass
        finally:
            timer.cancel()
        process.kill()
        code = process.wait()
        assert code == -9, f"ended with {code}, not killed: {self.night.log()[-2000:]}"
        met = kill is not None and self.night.page.passes(kill.rsplit("-", 1)[0]) >= int(kill.split(":")[1])
        self.by_point[kill.split(":")[0] if met else "random moment"] += 1
        self.night.store_holds()


def finish(night, load):
    """Nobody kills any more."""
    night.start()
    night.told.ask(night)
    while load.upload is not None:
        load.bring()
    for name in night.told.services:
        night.post(f"/v1/services/{name}/resume")
    load.go_on()
    for run in load.files:
        night.wait_end(run)
    for run in load.files:
        night.told.see_leads(run, night.items(f"/v1/runs/{run}/leads?"))
    exports, ledger, report, sums = night.all_hold(load.files)
    worn = {run for run, leads in exports.items() for lead in leads if (lead["outcome"], lead["reason"]) in TOO_OFTEN}
    held = sum((lead["outcome"], lead["reason"]) in TOO_OFTEN for leads in exports.values() for lead in leads)
    if worn:
        night.retry_worn(worn)
        exports, ledger, report, sums = night.all_hold(load.files)
    night.stop()
    night.store_holds()
    return exports, ledger, report, sums, held


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--point", action="append", help="only this one (may be repeated)")
    options.add_argument("--points", action="store_true", help="print the names of all points")
    o = options.parse_args()
    if o.points:
        print("\n".join(POINTS))
        return
    dice = random.Random(o.seed)
    began = time.monotonic()
    with FaultNight() as night:
        load = Load(night, dice)
        rig = Rig(night, load, dice, o.point or POINTS)
        night.kill()
        for _ in range(o.kills):
            rig.life()
        killing = time.monotonic() - began
        exports, ledger, report, (settled, billed, in_doubt), held = finish(night, load)
        expected = undisturbed(load.header, load.people[:load.used])
        for exported in exports.values():
            same(by_address(exported), expected)
        for point, n in sorted(rig.by_point.items(), key=lambda pair: -pair[1]):
            print(f"{n:6}  {point}")
        doubtful = sum(map(len, proof.doubts(ledger).values()))
        print(f"{sum(rig.by_point.values())} kills in {killing:.0f} s (seed {o.seed}), {night.checks} store checks, {len(load.files)} runs, "
              f"{sum(map(len, exports.values()))} leads, {len(ledger)} calls, {doubtful} in doubt, {held} leads held and put back")
        print(f"{load.acknowledged} steps acknowledged, asked for again after {night.told.checked} starts; repeats: in doubt "
              f"{report['repeats_in_doubt']}, against P3 {len(proof.repeats(ledger, report))}; settled {settled / 1e6} <= billed "
              f"{billed / 1e6} <= {(settled + in_doubt) / 1e6} USD")
        print("losses 0")


if __name__ == "__main__":
    main()
