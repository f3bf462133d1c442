"""A server on stdio without any library, which misbehaves as its first argument says."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

BEHAVIOUR = sys.argv[1]
MODERN = "2026-07-28"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
lock = threading.Lock()
seen = []
held = []


def write(message):
    with lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def notify(method, params):
    write({"jsonrpc": "2.0", "method": method, "params": params})


def fail(identity, code, words, **data):
    write({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": words, **data}})


def answer(identity, result):
    write({"jsonrpc": "2.0", "id": identity, "result": {"resultType": "complete", **result}})


def text(identity, words):
    answer(identity, {"content": [{"type": "text", "text": words}]})


def discover(message):
    if BEHAVIOUR == "legacy":
        fail(message["id"], -32601, "Method not found")
    elif BEHAVIOUR == "dies-on-probe":
        os._exit(1)
    else:
        answer(message["id"], {"supportedVersions": [MODERN], "capabilities": {}})


def progress(token, value):
    notify("notifications/progress", {"progressToken": token, "progress": value, "vendor": {"kept": True}})


def call(message):
    params, identity = message["params"], message["id"]
    tool, arguments = params["name"], params.get("arguments") or {}
    meta = params.get("_meta", {})
    if tool == "echo":
        text(identity, arguments.get("text", ""))
    elif tool == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif tool == "silence":
        held.append(identity)
    elif tool == "seen":
        text(identity, json.dumps(seen))
    elif tool == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    elif tool == "big":
        text(identity, "y" * arguments["size"])
    elif tool == "banner":
        sys.stdout.write('Welcome!\n\n[1, 2]\n"text"\n{"half": \n')
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\xff\xfe\n")
        write({"jsonrpc": "2.0", "id": 999999, "result": {"content": "nobody asked"}})
        write({"jsonrpc": "2.0", "id": [1], "result": {}})
        write({"jsonrpc": "2.0", "id": None, "method": 7, "params": 3})
        text(identity, "after the banner")
    elif tool == "nan":
        answer(identity, {"value": float("nan")})
    elif tool == "deep":
        answer(identity, {"value": json.loads("[" * 200 + "]" * 200)})
    elif tool == "late":
        threading.Timer(arguments["delay"], text, [identity, arguments["text"]]).start()
    elif tool == "progress":
        for value in (1, 2, 3):
            progress(meta["progressToken"], value)
        text(identity, "done")
    elif tool == "flood":
        for value in range(arguments["count"]):
            progress(meta["progressToken"], value)
        text(identity, "flooded")
    elif tool == "log":
        notify("notifications/message", {"level": "info", "data": "psst"})
        text(identity, "logged")
    elif tool == "ask":
        held.append(identity)
        write({"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {"message": "name?"}})
    elif tool == "changed":
        write({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        text(identity, "changed")
    elif tool == "environment":
        with open("/proc/self/limits") as file:
            limits = file.read()
        found = {"env": dict(os.environ), "cwd": os.getcwd(), "sid": os.getsid(0), "limits": limits}
        text(identity, json.dumps(found))
    elif tool == "family":
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        text(identity, str(grandchild.pid))
    elif tool == "stderr":
        secret = os.environ["API_SECRET"]
        for number in range(1000):
            sys.stderr.write(f"line {number} {secret} {'z' * 1000}\n")
        sys.stderr.flush()
        text(identity, "said")
    elif tool == "deaf":
        text(identity, "not listening any more")
        time.sleep(600)
    elif tool == "unknown-error":
        fail(identity, -32602, "Unknown tool", data={"x": 1})


def listen(message):
    meta = {"_meta": {SUBSCRIPTION: message["id"]}}
    filters = message["params"]["notifications"]
    notify("notifications/subscriptions/acknowledged", {"notifications": filters, **meta})
    notify("notifications/tools/list_changed", meta)
    if filters.get("end"):
        answer(message["id"], meta)


def initialize(message):
    if BEHAVIOUR == "refuses":
        fail(message["id"], -32602, "no")
    else:
        me = {"name": "child", "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": me}
        write({"jsonrpc": "2.0", "id": message["id"], "result": result})


def handle(message):
    method = message.get("method")
    if method == "server/discover":
        discover(message)
    elif method == "initialize":
        initialize(message)
    elif method == "tools/call":
        call(message)
    elif method == "subscriptions/listen":
        listen(message)
    elif method == "notifications/cancelled":
        seen.append(message)
    elif method is None and message.get("id") == "q1":
        seen.append(message)
        if held:
            text(held.pop(), "hello " + message["result"]["content"]["name"])
    elif method == "ping":
        write({"jsonrpc": "2.0", "id": message["id"], "result": {}})


if BEHAVIOUR == "dies":
    os._exit(3)
if BEHAVIOUR == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in sys.stdin:
    handle(json.loads(line))
while BEHAVIOUR == "stubborn":
    time.sleep(1)
