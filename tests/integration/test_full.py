"""A store whose map or disk fills up in the middle of a night: new work is refused, what is in flight is kept, and with
room again the night goes on by itself to the same end.

The full disk is a small file system of its own, which only root can mount."""

import gzip
import subprocess
import time

import pytest

import proof
from night import LEADS, Night, Refused, calm

THOUSAND = (LEADS / "people-1000.csv").read_bytes()
MANY = b"".join(gzip.decompress((LEADS / "people-14k.csv.gz").read_bytes()).splitlines(True)[:3001])
HUNDRED = (LEADS / "people-100.csv").read_bytes()


def nothing_in_flight(night):
    """Waits until the last call that was under way is settled, then returns leadsim's report and the ledger of run 1."""
    end = time.monotonic() + 20
    while night.get("/v1/status")["in_flight"] > 0:
        assert time.monotonic() < end
        time.sleep(0.05)
    ledger = night.ledger(1)
    assert all(call["state"] in ("settled", "refunded") for call in ledger), "an outcome was not kept"
    return night.report(), ledger


def refused(night):
    """No new work; the reason is told in words, over the API and by leadctl."""
    end = time.monotonic() + 60
    while night.get("/v1/status")["taking_work"]:
        assert time.monotonic() < end, "never full"
        time.sleep(0.02)
    for ask in (lambda: night.post("/v1/uploads", {"name": "more.csv", "size": 10}),
                lambda: night.start_run(HUNDRED)):
        with pytest.raises(Refused) as problem:
            ask()
        assert problem.value.status == 507 and "store-full" in problem.value.body, problem.value
    why = night.get("/v1/status")["why_not"]
    text, code = night.leadctl("status")
    assert code == 0 and why in text
    return why


def stands_still(night):
    """What is paid for is in the ledger, line by line, and nothing more is asked for."""
    report, ledger = nothing_in_flight(night)
    proof.bill(ledger, report)
    time.sleep(1.5)
    assert night.report()["calls"] == report["calls"], "called while the store is full"
    shown = night.get("/v1/runs/1")
    assert shown["state"] == "running" and shown["open"] > 0
    return len(ledger)


def agrees(night):
    text, code = night.leadctl("store", "check")
    assert code == 0, text


def ends_whole(night, calls_before):
    night.wait_end(1)
    exported, ledger, report = night.export(1), night.ledger(1), night.report()
    proof.one_outcome(THOUSAND, exported)
    proof.sums(night, 1, exported, ledger)
    proof.windows(night, report)
    proof.pushes(ledger, report)
    assert proof.repeats(ledger, report) == []
    assert len(ledger) > calls_before
    proof.bill(ledger, report)
    assert not any(call["state"] == "in-doubt" for call in ledger)
    agrees(night)


def services():
    return {"services": calm("100ms", "300ms")}


def test_map_full():
    with Night(scenario=services(), factor=240, settings={"store": {"map": 2}}) as night:
        night.start_run(THOUSAND)
        assert "raise store: map" in refused(night)
        calls = stands_still(night)
        night.kill()  # and it is as full after a restart
        night.start()
        assert "raise store: map" in refused(night)
        night.settings["store"]["map"] = 64
        night.write_settings()
        text, code = night.leadctl("reload")
        assert code == 0, text
        ends_whole(night, calls)


def test_import_into_a_full_map():
    """The rows that do not fit come in when there is room."""
    with Night(settings={"store": {"map": 1}}) as night:
        night.start_run(MANY, paused=True)
        refused(night)
        taken = night.get("/v1/runs/1")
        assert taken["importing"] and taken["imported"] < 3000
        night.settings["store"]["map"] = 64
        night.write_settings()
        assert night.leadctl("reload")[1] == 0
        night.wait_for(1, lambda r: not r["importing"])
        assert [lead["lead"] for lead in night.export(1)] == list(range(1, len(proof.rows(MANY)) + 1))
        agrees(night)


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "leadd-test", str(disk)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("leave", [400_000, 0])
def test_disk_full(small_disk, leave):
    """Somebody else's file fills the disk: up to a little, which leadd leaves alone, or to the last byte, when commits fail."""
    night = Night(scenario=services(), factor=240)
    (night.folder / "state").symlink_to(small_disk)
    with night:
        night.start_run(THOUSAND)
        night.wait_for(1, lambda r: r["outcomes"]["rejected"] > 50)
        ballast = small_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
            file.truncate(max(0, file.tell() - leave))
        assert "no space left" in refused(night).lower()
        if leave > 0:
            calls = stands_still(night)
        else:
            time.sleep(1)
            calls = 0
        ballast.unlink()
        ends_whole(night, calls)
