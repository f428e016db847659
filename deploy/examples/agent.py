#!/usr/bin/env python3
"""An agent of Drover in the plain form of docs/agent-protocol.md. Its containers are processes of this machine: the
image is ignored, nothing is isolated, and none outlives the agent. It needs Linux and Python 3.8, nothing else.
Settings: DROVER_AGENT_SERVER, DROVER_DATA_DIR, DROVER_REGISTRATION_TOKEN, DROVER_CA_FILE."""
import collections, contextlib, functools, http.client, json, os, platform, random, secrets, signal, socket, ssl, subprocess
import threading, time, urllib.parse, uuid

SERVER = urllib.parse.urlparse(os.environ["DROVER_AGENT_SERVER"])
FOLDER = os.path.abspath(os.environ.get("DROVER_DATA_DIR", "."))
TRUSTED = ssl.create_default_context(cafile=os.environ.get("DROVER_CA_FILE")) if SERVER.scheme == "https" else None
DIAL = functools.partial(http.client.HTTPSConnection, context=TRUSTED) if TRUSTED else http.client.HTTPConnection
STATE = os.path.join(FOLDER, "example-agent.json")  # The key that names this agent, and its credential.
containers, fences, replies, locks, settled = {}, {}, {}, {}, collections.deque(maxlen=1000)
session = {"id": None, "heartbeat": 10.0, "posted": 0.0, "inventory": None}

def ask(method, path, body=None, **headers):
    connection = DIAL(SERVER.hostname, SERVER.port, timeout=15)
    headers["Authorization"] = "Bearer " + state.get("credential", "")
    connection.request(method, SERVER.path.rstrip("/") + path, body, headers)
    return connection, connection.getresponse()
def keep():
    with open(os.open(STATE + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(state, file)
    os.replace(STATE + ".new", STATE)
def register():
    body = {"token": os.environ["DROVER_REGISTRATION_TOKEN"], "agentKey": state["key"],
            "name": socket.gethostname(), "facts": inventory()["facts"]}
    answer = ask("POST", "/agent/v1/register", json.dumps(body), **{"Content-Type": "application/json"})[1]
    if answer.status != 200:
        raise OSError("registration refused: " + answer.read().decode())
    state["credential"] = json.load(answer)["credential"]
    keep()

def post(*frames):  # No frames are a sign of life. What is lost is asked for, or said, again.
    session["posted"] = time.monotonic()
    try:
        if ask("POST", "/agent/v1/replies", json.dumps(frames), **{"Drover-Session": session["id"]})[1].status == 409:
            session["socket"].shutdown(socket.SHUT_RDWR)  # The session is gone: the reader connects again.
    except (OSError, TypeError, http.client.HTTPException) as error:
        print("could not post:", error)
def inventory():
    facts = {"hostname": socket.gethostname(), "operatingSystem": platform.system(), "kernel": platform.release(),
             "architecture": platform.machine(), "cpus": os.cpu_count(), "runtime": "process",
             "memoryMiB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20}
    return {"facts": facts, "containers": [seen(name) for name in list(containers)]}
def seen(name):
    if name not in containers:
        return {"containerId": name, "state": "STATE_MISSING"}
    told, process = {"containerId": name, "runtimeId": containers[name]["runtimeId"]}, containers[name]["process"]
    code = process.poll() if process else None
    if code is None:
        return {**told, "state": "STATE_RUNNING" if process else "STATE_CREATED"}
    return {**told, "state": "STATE_EXITED", "exitCode": code if code >= 0 else 128 - code}
def end(name, grace):
    process, until, how = containers.get(name, {}).get("process"), time.monotonic() + grace, signal.SIGTERM
    while process and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # Who looks around at this moment may find its end first.
            os.killpg(process.pid, how)
        time.sleep(0.02)
        how = signal.SIGKILL if time.monotonic() >= until else 0
def act(name, command):
    if "takeInventory" in command:
        return {"inventory": inventory()}
    if "createContainer" in command:
        if any(command["createContainer"].get(field) for field in ("user", "ports", "mounts", "networks")):
            raise RuntimeError("CODE_REFUSED", "processes of this agent have no user, ports, mounts and networks")
        containers.setdefault(name, {**command["createContainer"], "process": None, "runtimeId": uuid.uuid4().hex})
    elif "startContainer" in command:
        if name not in containers:
            raise RuntimeError("CODE_NOT_FOUND", "there is no container " + name)
        if seen(name)["state"] != "STATE_RUNNING":
            wanted = containers[name]
            containers[name]["process"] = subprocess.Popen(
                wanted.get("entrypoint", []) + wanted.get("command", []), cwd=wanted.get("workingDir") or "/",
                env={"PATH": os.defpath, **wanted.get("environment", {}), "DROVER_EXAMPLE": FOLDER},
                stdin=subprocess.DEVNULL, start_new_session=True)
    elif "stopContainer" in command:
        end(name, command["stopContainer"].get("graceMillis", 0) / 1000)
    elif "removeContainer" in command:
        end(name, 0)
        containers.pop(name, None)
    elif "inspectContainer" not in command:
        raise RuntimeError("CODE_UNSUPPORTED", "this agent does not know the action")
    if name in containers and "inspectContainer" not in command:  # The reply tells what a report would have told.
        containers[name].update(told=seen(name), report=None)
    return {"container": seen(name)}

def carry_out(command, name, fence, expires):
    if "ping" in command:
        return post({"reply": {"commandId": command["id"], "pong": {}}})
    with locks.setdefault(name, threading.Lock()):  # One at a time for each container, repeats too.
        try:
            if fence < fences[name]:  # Looked at in its turn, and before the memory: even a repeat is refused.
                raise RuntimeError("CODE_STALE_FENCE", "the fence is older than %d" % fences[name])
            if command["id"] not in replies and expires < time.monotonic():
                raise RuntimeError("CODE_UNAVAILABLE", "its time was over before its turn came")
            result = replies.get(command["id"]) or act(name, command)
        except (RuntimeError, OSError, IndexError, ValueError) as failed:
            known = failed.args if isinstance(failed, RuntimeError) else ("CODE_REFUSED", repr(failed))
            result = {"failure": {"code": known[0], "message": known[1]}}
        replies[command["id"]] = result
        replies.pop(next(iter(replies)) if len(replies) > 4096 else None, None)
        post({"reply": {"commandId": command["id"], **result}})
def look_around():  # Reports what ended until that is settled, tells all after a welcome, gives signs of life.
    while True:
        time.sleep(min(1.0, session["heartbeat"] / 2) * random.uniform(0.7, 1.0))
        whole = {"report": {"id": session["inventory"], "inventory": inventory()}}
        frames = [] if session["inventory"] in settled else [whole]
        for name, container in list(containers.items()):
            if locks[name].acquire(blocking=False):  # Otherwise a command is at work, whose reply will tell.
                if seen(name)["state"] == "STATE_EXITED" and container["told"] != seen(name):
                    container["report"] = container["report"] or {"id": uuid.uuid4().hex, "container": seen(name)}
                    frames += [] if container["report"]["id"] in settled else [{"report": container["report"]}]
                locks[name].release()
        if session["id"] and (frames or time.monotonic() - session["posted"] > session["heartbeat"] / 2):
            post(*frames)
def serve():
    connection, answer = ask("GET", "/agent/v1/events", Accept="application/x-ndjson")
    if answer.status == 401:
        return register()
    for line in answer if answer.status == 200 else ():
        (kind, content), = json.loads(line).items()
        if kind == "welcome":
            session.update(heartbeat=content["heartbeatMillis"] / 1000, inventory=uuid.uuid4().hex)
            session.update(socket=connection.sock, id=content["sessionId"])
            connection.sock.settimeout(3 * session["heartbeat"])  # A server that is silent for so long is dead.
        elif kind == "command":
            name, fence = content.get("resource", {}).get("id", ""), int(content.get("fence", 0))
            fences[name] = max(fence, fences.get(name, 0))  # It counts from now on, whenever its turn comes.
            expires = time.monotonic() + (int(content.get("timeoutMillis", 0)) / 1000 or 1e9)
            threading.Thread(target=carry_out, args=(content, name, fence, expires), daemon=True).start()
        elif kind == "reportAnswer" and content.get("settled"):
            settled.append(content["reportId"])

script = 'for p in /proc/[0-9]*; do grep -qszxF "DROVER_EXAMPLE=$0" $p/environ && kill -9 ${p#/proc/}; done'
subprocess.run(["sh", "-c", script, FOLDER])  # What an earlier run left behind is ended.
os.makedirs(FOLDER, exist_ok=True)
state = json.load(open(STATE)) if os.path.exists(STATE) else {"key": secrets.token_hex(32)}
keep()
threading.Thread(target=look_around, daemon=True).start()
wait = 0.1
while True:
    began, session["id"] = time.monotonic(), None
    try:
        serve() if "credential" in state else register()
    except (OSError, ValueError, http.client.HTTPException) as error:
        print("disconnected:", error)
    wait = 0.1 if time.monotonic() - began > 5 else min(wait * 2, 5)
    time.sleep(wait * random.uniform(0.5, 1))
