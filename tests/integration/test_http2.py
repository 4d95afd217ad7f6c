"""A night over TLS, with HTTP/1.1 and with HTTP/2: nghttpx stands in front of leadsim and writes down what it was spoken to in.

LEADD, LEADCTL and LEADSIM name the programs."""

import collections
import socket
import subprocess
import time

import pytest

import proof
from night import BASES, LEADS, Night, calm

HUNDRED = (LEADS / "people-100.csv").read_bytes()


class TlsNight(Night):
    """Night whose services are reached through a proxy that ends TLS."""

    def __init__(self, http2, **more):
        edit = {name: [("limits:", f"http2: {str(http2).lower()}\nbreaker: {{failures: 5, open: 1s, probe: 3s}}\nlimits:")] for name in BASES}
        super().__init__(scenario={"services": calm()}, factor=600, edit=edit, **more)
        self.proxy = None

    def start_sim(self):
        super().start_sim()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        self.new_certificate()
        self.settings["ca_file"] = str(self.cert)
        self.settings["services"] = {name: {"base": f"https://127.0.0.1:{self.port}{path}"} for name, path in BASES.items()}
        self.start_proxy()

    def new_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)

    def start_proxy(self):
        with open(self.folder / "nghttpx.log", "a") as log:
            self.proxy = subprocess.Popen(
                ["nghttpx", f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{self.sim_port}", "--single-process",
                 f"--accesslog-file={self.folder}/access.log", "--accesslog-format=$status $request",
                 "--conf=/dev/null", str(self.key), str(self.cert)], stdout=log, stderr=log)
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", self.port)) != 0:
            assert self.proxy.poll() is None and time.monotonic() < end, (self.folder / "nghttpx.log").read_text()
            time.sleep(0.02)

    def __exit__(self, *of):
        if self.proxy is not None:
            self.proxy.kill()
            self.proxy.wait()
        super().__exit__(*of)

    def protocols(self):
        """What requests came in: how many of each protocol."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return collections.Counter("HTTP/2" if "HTTP/2" in line else "HTTP/1.1" for line in lines)


def all_holds(night, run):
    night.wait_end(run)
    exported, ledger, report = night.export(run), night.ledger(run), night.report()
    proof.one_outcome(HUNDRED, exported)
    proof.sums(night, run, exported, ledger)
    proof.windows(night, report)
    proof.pushes(ledger, report)
    # leadsim's answer may have reached the proxy whole, and nobody behind it: leadd calls that in doubt
    assert [pair for pair in proof.repeats(ledger, report) if pair[0]["state"] != "in-doubt"] == []
    proof.bill(ledger, report)
    assert sum(lead["outcome"] == "confirmed" for lead in exported) > 40
    return ledger


@pytest.mark.parametrize("http2", [False, True])
def test_a_night_over_tls(http2):
    with TlsNight(http2) as night:
        ledger = all_holds(night, night.start_run(HUNDRED))
        assert night.protocols() == {"HTTP/2" if http2 else "HTTP/1.1": len(ledger)}
        assert all(call["state"] == "settled" for call in ledger)


def test_http2_connection_dies():
    """With the proxy all streams of a connection end at once: each call is in doubt or was never sent, none is lost. The last one comes with
    another certificate: the file with the authorities is read again by a reload."""
    with TlsNight(True) as night:
        run = night.start_run(HUNDRED)
        for confirmed in (5, 20):
            night.wait_for(run, lambda r: r["outcomes"]["confirmed"] > confirmed)
            night.proxy.kill()
            night.proxy.wait()
            if confirmed == 20:
                night.new_certificate()
            night.start_proxy()
        night.post("/v1/reload")
        ledger = all_holds(night, run)
        assert any(call["state"] != "settled" for call in ledger)
        assert night.protocols().keys() == {"HTTP/2"}
