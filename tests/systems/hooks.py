"""Webhooks as a CRM sends them: events of Close, signed, over connections of their own."""

import concurrent.futures
import hashlib
import hmac
import http.client
import json
import time

KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
SENDERS = 20


def event(number, text, lead=None, **more):
    """A task's creation, in the form in which Close tells it."""
    stamp = "2026-11-02T10:00:00.000000"
    return {"subscription_id": "whsub_1", "event": {
        "id": f"ev_{number}", "object_type": "task.lead", "object_id": f"task_{number}", "action": "created", "lead_id": lead or f"lead_{number}",
        "organization_id": "orga_1", "user_id": "user_1", "request_id": None, "api_key_id": None, "date_created": stamp, "date_updated": stamp,
        "changed_fields": [], "previous_data": {}, "meta": {"request_path": "/api/v1/task/", "request_method": "POST"},
        "data": {"id": f"task_{number}", "_type": "lead", "text": text, "lead_id": lead or f"lead_{number}", "lead_name": "Ex Ltd", "contact_id": None,
                 "assigned_to": "user_1", "is_complete": False, "date": "2026-11-03", "sequence_id": None, "date_created": stamp + "+00:00"},
        **more}}


def signed(body, at=None, key=KEY):
    """Headers of Close for those bytes."""
    at = str(int(time.time() if at is None else at))
    mac = hmac.new(bytes.fromhex(key), at.encode() + body, hashlib.sha256).hexdigest()
    return {"close-sig-hash": mac, "close-sig-timestamp": at}


def bytes_of(message):
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def post(port, message, headers=None, intake="close", timeout=30):
    """(status, answer) of one webhook; OSError when there was none."""
    body = bytes_of(message)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", f"/v1/intake/{intake}", body,
                           {"Content-Type": "application/json", **(signed(body) if headers is None else headers)})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except http.client.HTTPException as e:
        raise ConnectionError(f"no answer: {e!r}") from e
    finally:
        connection.close()


def send(port, message, patience=60):
    """As a CRM sends: again until it is taken. The task's id, and how often it was sent."""
    end = time.monotonic() + patience
    tries = 0
    while True:
        tries += 1
        try:
            status, answer = post(port() if callable(port) else port, message)
            if status == 202:
                return answer["task"], tries
        except OSError:
            pass
        assert time.monotonic() < end, "not taken"
        time.sleep(0.05)


def send_all(port, messages):
    """All of them, SENDERS at once; the results in their order."""
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(lambda message: send(port, message), messages))
