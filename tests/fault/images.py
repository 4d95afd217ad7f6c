"""Power failures: records a night of leadd's store, then has build/tests/fault/images make what the disk could hold after a
power failure at each sync, and look at it.

    images.py [--images N] [--seed N] [--seconds N] [--record FILE] [--keep DIR]

A record that is there already (--record) is used again. At the end the same record is judged as if fdatasync did nothing:
a model that then finds no loss would be blind.
"""

import argparse
import os
import random
import subprocess
import sys
import time

from kills import Load
from rig import FaultNight, environment


class RecordedNight(FaultNight):
    def __init__(self, record, **more):
        super().__init__(**more)
        self.record = record

    def start(self, wait=True, kill=None):
        self.page.clear()
        self.env = {**environment(self.page), "FAULT_RECORD": self.record}
        super(FaultNight, self).start(wait)


def record_night(path, seconds, seed):
    dice = random.Random(seed)
    with RecordedNight(path, factor=60) as night:
        load = Load(night, dice)
        end = time.monotonic() + seconds
        lives = 4
        for life in range(lives):
            while time.monotonic() < end - seconds * (lives - 1 - life) / lives:
                load.step()
                time.sleep(dice.uniform(0, 0.02))
            night.kill()
            if life < lives - 1:
                night.start()
                night.told.ask(night)
        night.start()
        night.told.ask(night)
        load.go_on()
        for name in night.told.services:
            night.post(f"/v1/services/{name}/resume")
        leads = sum(len(data.splitlines()) - 1 for data in load.files.values())
        print(f"a night of {seconds} s: {len(load.files)} runs, {leads} leads, {load.acknowledged} requests")
        night.stop()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=2000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seconds", type=float, default=8, help="of the night that is recorded")
    options.add_argument("--record")
    options.add_argument("--keep", help="a folder for the images that failed")
    o = options.parse_args()
    record = o.record or f"/tmp/leadd-record.{os.getpid()}"
    if not os.path.exists(record):
        record_night(record, o.seconds, o.seed)
    sys.stdout.flush()
    program = [os.environ["FAULT_IMAGES"], record, "--seed", str(o.seed)]
    code = subprocess.run([*program, "--images", str(o.images), *(["--keep", o.keep] if o.keep else [])]).returncode
    blind = subprocess.run([*program, "--images", "200", "--forget-syncs"], capture_output=True, text=True).returncode == 0
    print("without syncs: nothing found, the model is blind" if blind else "without syncs: losses are found")
    if o.record is None:
        os.unlink(record)
    sys.exit(code if code != 0 else 1 if blind else 0)


if __name__ == "__main__":
    main()
