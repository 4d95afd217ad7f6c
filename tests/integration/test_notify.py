"""Mail to a real SMTP server (aiosmtpd) and signed webhooks: the end of a run, parked keys, open breakers, budgets; servers
that refuse, are down, or stay silent; a crash between the decision and the sending."""

import email
import email.policy
import hashlib
import hmac
import json
import re
import socket
import subprocess
import threading
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from flow_kit import FlowNight, Stub, one_stage, service

SECRET = "whsec-0123456789"
OPS, BOSS = "ops@example.com", "boss@example.net"


class Mailbox:
    """A mail server that keeps what it gets. refuse: {address: reply}."""

    def __init__(self, port=0, **controller):
        self.refuse = {}
        self.raw = []
        self.tries = 0
        self.lock = threading.Lock()
        box = self

        class Handler:
            async def handle_RCPT(self, server, session, envelope, address, options):
                box.tries += 1
                if address in box.refuse:
                    return box.refuse[address]
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, server, session, envelope):
                with box.lock:
                    box.raw.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
                return "250 taken as nr 7"

        port = port or free_port()
        self.controller = Controller(Handler(), hostname="127.0.0.1", port=port, **controller)
        self.port = port

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *args):
        self.controller.stop()

    def mails(self):
        with self.lock:
            return [email.message_from_bytes(raw, policy=email.policy.default) for _, _, raw in self.raw]

    def wait(self, n, seconds=30):
        wait(lambda: len(self.raw) >= n, f"{n} mails", seconds)
        return self.mails()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(check, what, seconds=30):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"no {what} in {seconds} s"
        time.sleep(0.05)


def settings(port=None, hook=None, orgs=None, on=None, **mail):
    notify = {}
    if port is not None:
        notify["mail"] = {"server": f"smtp://127.0.0.1:{port}", "from": "leadd@night.example", "to": [OPS], **mail}
    if hook is not None:
        notify["webhook"] = {"url": f"{hook.base}/hook", "secret": "hook"}
    if on is not None:
        notify["on"] = on
    return {"notify": notify, **({"organisations": orgs} if orgs else {})}


def night(stub, campaigns=None, more=None, **config):
    """One service `own` over the stub, one stage."""
    return FlowNight({"own": service("own", stub, **(more or {}))}, {"one": one_stage("one", "own.ask")},
                     campaigns or {"demo": {"pipeline": "one", "budget": 1000}}, secrets={"hook": SECRET, "smtp": "pass word"},
                     with_sim=False, settings=config.pop("settings"), **config)


def body_of(mail):
    return mail.get_content()


def test_the_end_of_a_run_is_mailed():
    with Mailbox() as box, Stub() as stub, night(stub, settings=settings(box.port, to=[OPS, BOSS])) as n:
        run = n.run(3)
        n.wait_end(run)
        mails = box.wait(2)
        assert sorted(m["To"] for m in mails) == [BOSS, OPS]
        for m in mails:
            assert m["Subject"] == f"run {run} of demo is done: 3 of 3 leads came through"
            assert m["From"].addresses[0].addr_spec == "leadd@night.example"
            assert re.fullmatch(r"<[0-9a-f]{16}@night\.example>", m["Message-ID"])
            assert m["Date"].datetime is not None and m["Auto-Submitted"] == "auto-generated"
            assert body_of(m).splitlines() == n.results(run)["summary.txt"].splitlines()
        assert box.raw[0][0] == "leadd@night.example"
        assert len({m["Message-ID"] for m in mails}) == 2
        wait(lambda: n.get("/v1/status")["outbox"]["waiting"] == 0, "empty outbox")
        assert n.leadctl("store", "check")[1] == 0


def test_a_run_without_any_yield_is_mailed_and_a_failed_one_too():
    empty = Stub(lambda asked: (404, {}, {}))
    with Mailbox() as box, empty as stub, night(stub, settings=settings(box.port)) as n:
        run = n.run(2)
        n.wait_end(run)
        assert box.wait(1)[0]["Subject"] == f"run {run} of demo is done: 0 of 2 leads came through"
        run = n.start_run(b"\xff\xfe\x00")
        assert n.wait_end(run)["state"] == "failed"
        assert f"run {run} of demo is failed" in box.wait(2)[1]["Subject"]


def test_an_organisation_has_its_own_people():
    campaigns = {"demo": {"pipeline": "one", "organisation": "acme"}, "other": {"pipeline": "one"}}
    with Mailbox() as box, Stub() as stub, night(stub, campaigns, settings=settings(box.port, orgs={"acme": {"mail_to": BOSS}})) as n:
        n.wait_end(n.run(1))
        assert box.wait(1)[0]["To"] == BOSS
        n.wait_end(n.run(1, campaign="other"))
        assert box.wait(2)[1]["To"] == OPS


def check_signature(asked):
    stamp, mac = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", asked.headers["x-leadd-signature"]).groups()
    arrived = time.time() - (time.monotonic() - asked.at)
    assert -2 < arrived - int(stamp) < 30
    # as sent: the receiver signs bytes, not what it makes of them
    return hmac.compare_digest(mac, hmac.new(SECRET.encode(), f"{stamp}.".encode() + asked.raw, hashlib.sha256).hexdigest())


class Hook(Stub):
    """A webhook's receiver, which keeps the bytes."""

    def __init__(self, answer=None):
        super().__init__(answer or (lambda asked: (200, {}, {})))
        stub, handler = self, self.server.RequestHandlerClass
        read = handler.reply

        def reply(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            import io
            self.rfile, kept = io.BytesIO(raw), self.rfile
            before = len(stub.asked)
            read(self)
            stub.asked[before].raw = raw
            self.rfile = kept

        handler.do_POST = reply


def test_webhooks_are_signed_and_repeated_under_one_id():
    fails = [503]

    def answer(asked):
        return (fails.pop(), {}, {}) if fails else (204, {}, {})

    with Hook(answer) as hook, Stub() as stub, night(stub, settings=settings(hook=hook)) as n:
        run = n.run(2)
        n.wait_end(run)
        wait(lambda: len(hook.asked) >= 1 and n.get("/v1/status")["outbox"]["last_failure"], "first refusal")
        assert "HTTP 503" in n.get("/v1/status")["outbox"]["last_failure"]
        wait(lambda: len(hook.asked) == 2, "second try", 60)
        wait(lambda: n.get("/v1/status")["outbox"]["waiting"] == 0, "empty outbox")
        assert len({a.headers["x-leadd-id"] for a in hook.asked}) == 1
        assert len({a.raw for a in hook.asked}) == 1
        for asked in hook.asked:
            assert check_signature(asked)
        told = hook.asked[0].body
        assert told["event"] == "run-done" == hook.asked[0].headers["x-leadd-event"]
        assert told["id"] == hook.asked[0].headers["x-leadd-id"]
        assert told["run"]["run"] == run and told["run"]["outcomes"]["ready"] == 2 and told["run"]["settled_micro"] == 20000
        assert "@" not in hook.asked[0].raw.decode(), "no lead's address leaves in a webhook"


def test_a_refused_receiver_is_given_up_and_hurts_no_other():
    with Mailbox() as box, Stub() as stub, night(stub, settings=settings(box.port, to=[OPS, BOSS])) as n:
        box.refuse = {OPS: "550 no such user here"}
        n.wait_end(n.run(1))
        assert [m["To"] for m in box.wait(1)] == [BOSS]
        wait(lambda: n.get("/v1/status")["outbox"]["given_up"] == 1, "refusal")
        assert "550 no such user here" in n.get("/v1/status")["outbox"]["last_failure"]
        assert "given up: 550 no such user here" in n.log()
        out, code = n.leadctl("doctor")
        assert code == 7 and "550 no such user here" in out
        out, _ = n.leadctl("status")
        assert "1 given up" in out
        # and over a restart
        assert n.stop() == 0
        n.start()
        assert n.get("/v1/status")["outbox"]["given_up"] == 1
        assert box.tries == 2


def test_a_server_that_is_down_gets_it_later():
    port = free_port()
    with Stub() as stub, night(stub, settings=settings(port)) as n:
        n.wait_end(n.run(1))
        wait(lambda: n.get("/v1/status")["outbox"]["last_failure"], "failure")
        assert "connection refused" in n.get("/v1/status")["outbox"]["last_failure"]
        with Mailbox(port) as box:
            box.wait(1, 60)


def test_a_crash_before_the_sending_loses_nothing():
    port = free_port()
    with Stub() as stub, night(stub, settings=settings(port)) as n:
        run = n.run(1)
        n.wait_end(run)
        n.kill()
        with Mailbox(port) as box:
            n.start()
            mails = box.wait(1, 60)
            assert f"run {run} of demo" in mails[0]["Subject"]


def test_parked_keys_are_told_once_and_together():
    broke = Stub(lambda asked: (402, {}, {"error": "out of credits"}))
    more = {"outcomes": [{"status": 402, "is": "quota"}]}
    with Mailbox() as box, Hook() as hook, broke as stub, night(stub, more=more, settings=settings(box.port, hook)) as n:
        n.run(3)
        mails = box.wait(1)
        assert mails[0]["Subject"] == "own, key own: quota is used up"
        assert "its leads wait" in body_of(mails[0]).lower()
        wait(lambda: hook.asked, "webhook")
        assert hook.asked[0].body["event"] == "quota" and hook.asked[0].body["service"]["service"] == "own"
        # the same again after a restart is not told again; a message that was taken, but of which that is not on disk yet, would be
        wait(lambda: n.log().count(" sent: ") == 2, "two messages settled")
        n.kill()
        n.start()
        time.sleep(12)
        assert len(box.raw) == 1 and len(hook.asked) == 1


def test_an_open_breaker_is_told_once_and_not_at_each_probe():
    dead = Stub(lambda asked: Stub.RESET)
    more = {"breaker": {"failures": 3, "open": "1s", "probe": "2s"}}
    with Hook() as hook, dead as stub, night(stub, more=more, settings=settings(hook=hook, on=["breaker"])) as n:
        n.run(5)
        wait(lambda: hook.asked, "webhook")
        wait(lambda: len(dead.asked) >= 6, "probes", 60)
        assert [a.body["event"] for a in hook.asked] == ["breaker"]


def test_a_budget_is_told_when_it_is_reached():
    with Hook() as hook, Stub() as stub, night(stub, {"demo": {"pipeline": "one", "budget": {"total": 0.02}}},
                                               settings=settings(hook=hook)) as n:
        run = n.run(4)
        n.wait_end(run)
        wait(lambda: len(hook.asked) == 2, "two webhooks")
        told = {a.body["event"]: a.body for a in hook.asked}
        assert told["budget"]["budget"] == {"of": "campaign", "name": "demo", "period": "total", "limit_micro": 20000,
                                            "settled_micro": 20000, "in_doubt_micro": 0, "currency": "USD"}
        assert told["run-done"]["run"]["outcomes"]["parked"] == 2


def test_a_bill_above_its_ceiling_is_told_once():
    calls = {"ask": {"post": "/ask", "json": {"email": "${.email}"}, "price": {"body": ".price", "ceiling": 0.01}, "in_doubt": {"repeat": 1},
                     "map": {"text": ".text"}}}
    dear = Stub(lambda asked: (200, {}, {"text": "good", "price": 0.05}))
    with Mailbox() as box, Hook() as hook, dear as stub, night(stub, more={"calls": calls, "concurrency": 1}, settings=settings(box.port, hook)) as n:
        n.run(3)
        mail = box.wait(1)[0]
        assert mail["Subject"] == "own: a call was billed above its price ceiling", mail["Subject"]
        wait(lambda: hook.asked, "webhook")
        body = hook.asked[0].body
        assert body["event"] == "overbilled" and body["service"]["service"] == "own" and "above its price ceiling" in body["subject"], body
        wait(lambda: n.log().count(" sent: ") == 2, "two messages settled")
        n.kill()
        n.start()
        time.sleep(1)
        assert len(hook.asked) == 1 and len(dear.asked) == 1
        assert n.leadctl("service", "reset", "own")[1] == 0  # one more call, which is as dear
        wait(lambda: len(dear.asked) == 2, "second call")


def test_a_full_store_is_told_while_it_is_full():
    with Hook() as hook, Stub() as stub, night(stub, settings={**settings(hook=hook, on=["store-full"]), "store": {"map": 1}}) as n:
        run = n.run(20000, paused=True)
        wait(lambda: hook.asked, "webhook")
        body = hook.asked[0].body
        assert body["event"] == "store-full" and "raise store: map" in body["store"]["why"], body
        assert n.get(f"/v1/runs/{run}")["importing"]
        n.change("leadd.yaml", '"map": 1', '"map": 64')
        assert n.leadctl("reload")[1] == 0
        n.wait_for(run, lambda r: not r["importing"])
        assert len(hook.asked) == 1 and n.get(f"/v1/runs/{run}")["imported"] == 20000
        assert n.leadctl("store", "check")[1] == 0


def test_the_test_message_and_what_servers_said():
    with Mailbox() as box, Hook() as hook, Stub() as stub, night(stub, settings=settings(box.port, hook)) as n:
        out, code = n.leadctl("notify", "test")
        assert code == 0 and "250 taken as nr 7" in out and "HTTP 200" in out, out
        assert box.mails()[0]["Subject"] == "test of leadd" and hook.asked[0].body["event"] == "test"
        assert check_signature(hook.asked[0])
        box.refuse = {OPS: "451 try later"}
        out, code = n.leadctl("notify", "test", "--json")
        assert code == 7 and [i["ok"] for i in json.loads(out)["items"]].count(False) == 1
        assert "451 try later" in out
        (n.folder / "secrets" / "hook").unlink()
        n.change("leadd.yaml", '"from": "leadd@night.example"', '"from": "other@night.example"')
        changes = n.reload()["changes"]
        assert any(c.startswith("notify: mail: ") and "other@night.example" in c for c in changes), changes
        out, code = n.leadctl("notify", "test")
        assert code == 7 and "the credential hook is missing" in out
        assert SECRET not in n.log()


def test_without_notify_nothing_is_kept():
    with Stub() as stub, night(stub, settings={}) as n:
        n.wait_end(n.run(1))
        assert n.get("/v1/status")["outbox"] == {"waiting": 0, "given_up": 0, "last_failure": None}
        out, code = n.leadctl("notify", "test")
        assert code != 0 and "notify" in out


def test_a_server_that_never_answers_quit_holds_nobody_up():
    """libcurl waits for the answer to QUIT where it stands: leadd must not."""
    port, got, stop = free_port(), [], threading.Event()

    def serve(client):
        file = client.makefile("rb")
        client.sendall(b"220 slow\r\n")
        for line in file:
            word = line[:4].upper()
            got.append(word)
            if word == b"DATA":
                client.sendall(b"354 go on\r\n")
                while file.readline() != b".\r\n":
                    pass
                client.sendall(b"250 taken\r\n")
            elif word == b"QUIT":
                stop.wait(60)
            else:
                client.sendall(b"550 go away\r\n" if word == b"RCPT" and serve.refuse else b"250 ok\r\n")

    serve.refuse = False
    with socket.create_server(("127.0.0.1", port)) as listener, Stub() as stub, night(stub, settings=settings(port)) as n:
        def accept():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        for serve.refuse, word in ((False, "250 taken"), (True, "550 go away")):
            began = time.monotonic()
            out, _ = n.leadctl("notify", "test")
            assert word in out and time.monotonic() - began < 3, out
        assert n.get("/v1/status")["turn_ms"]["max"] < 100
        stop.set()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    import ssl
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return cert, context


def test_starttls_and_login(certificate):
    cert, context = certificate

    def login(server, session, envelope, mechanism, data):
        good = data.login == b"night" and data.password == b"pass word"
        return AuthResult(success=good, handled=good)

    with Mailbox(tls_context=context, require_starttls=True, authenticator=login, auth_required=True) as box, Stub() as stub:
        config = {**settings(box.port, user="night", secret="smtp", starttls=True), "ca_file": str(cert)}
        with night(stub, settings=config) as n:
            n.wait_end(n.run(1))
            box.wait(1)
            n.change("leadd.yaml", '"user": "night"', '"user": "somebody"')
            n.reload()
            out, code = n.leadctl("notify", "test")
            assert code == 7 and "535" in out, out
            assert "pass word" not in n.log() and b"pass word" not in (n.folder / "state" / "leadd.mdb").read_bytes()


def test_tls_from_the_first_byte(certificate):
    cert, context = certificate
    with Mailbox(ssl_context=context) as box, Stub() as stub:
        config = {**settings(box.port, server=f"smtps://localhost:{box.port}"), "ca_file": str(cert)}
        with night(stub, settings=config) as n:
            n.wait_end(n.run(1))
            box.wait(1)


def test_a_certificate_that_is_not_trusted_gets_nothing(certificate):
    with Mailbox(tls_context=certificate[1], require_starttls=True) as box, Stub() as stub:
        with night(stub, settings=settings(box.port, starttls=True)) as n:
            out, code = n.leadctl("notify", "test")
            assert code == 7 and "certificate not trusted" in out, out
            assert box.raw == []
