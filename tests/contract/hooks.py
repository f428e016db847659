"""What a fuzzer cannot make up, and what would leave it nothing to test.

No answer is excused here: what is left out, or put in, is in requests.
"""

import os
import re

import schemathesis

# Parameters that are left out, for they say what only a client with a purpose can mean. Positions in a list
# come from the server, in `pagination`: one that is made up is malformed, whatever its schema says of
# opaque text. A key of idempotency names one request, and a fuzzer would have one for many. Scenarios
# page through lists and repeat requests.
LEFT_OUT = {"marker", "Idempotency-Key"}

# The addresses of the key that is fuzzed with, of its account and of its project, and of the settings that
# let it ask often and be answered soon: whoever ends or sets them tests nothing more.
OWN = os.environ.get("DROVER_CONTRACT_OWN", "").split() + [
    "/v1/settings/longestWaitSeconds",
    "/v1/settings/rateLimitBurst",
    "/v1/settings/rateLimitPerSecond",
]

# What a body refers to has to exist; so what would be the id of anything becomes the id of these.
EXISTING = {
    "accountId": os.environ.get("DROVER_CONTRACT_ACCOUNT"),
    "projectId": os.environ.get("DROVER_CONTRACT_PROJECT"),
}
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# Every setting tells its own bounds. These are within those of each.
SETTING = range(5, 601)


# What was removed stays readable until it is purged, as promised; a fuzzer would take that for a leak.
# So what it has removed, it does not read again. Scenarios do.
removed = set()


@schemathesis.hook
def after_call(context, case, response):
    if case.method == "DELETE" and response.status_code < 300:
        removed.add(case.formatted_path)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [one for one in parameters if one["name"] not in LEFT_OUT]


@schemathesis.hook
def filter_case(context, case):
    # A filter that is given twice is two filters, joined by "and", and nothing that is malformed. To
    # say so, the description would have to make a list of each.
    if any(isinstance(value, (list, tuple)) for value in (case.query or {}).values()):
        return False
    # A log that is followed does not end before its container does. Scenarios read it.
    if case.path.endswith("/logs") and (case.query or {}).get("follow") in (True, "true"):
        return False
    if case.method == "GET":
        return case.formatted_path not in removed
    return case.formatted_path not in OWN


@schemathesis.hook
def map_case(context, case):
    body = sound(case.body)
    if case.path.startswith("/v1/settings/") and isinstance(body, dict):
        body = {name: within(value) for name, value in body.items()}
    # What is set counts as changed by hand, and is looked at anew.
    if body != case.body:
        case.body = body
    return case


def sound(body):
    if isinstance(body, list):
        return [sound(item) for item in body]
    if not isinstance(body, dict):
        return body
    body = {name: sound_field(name, value) for name, value in body.items()}
    # An operator's key is good everywhere, and so of no project.
    if body.get("role") == "operator" and body.get("projectId") == EXISTING["projectId"]:
        body.pop("projectId", None)
    # Volumes and networks of a project would have to exist, ports are published on a bridge only, and
    # nothing is mounted or joined twice: no schema says so.
    if isinstance(body.get("networks"), list):
        built_in = [one for one in body["networks"] if joins(one, ("bridge", "host", "none"))]
        body["networks"] = [] if body.get("ports") else built_in[:1]
    if isinstance(body.get("volumes"), list):
        paths = [one for one in body["volumes"] if isinstance(one, dict) and "hostPath" in one]
        body["volumes"] = paths[:1]
    return body


def joins(attachment, names):
    return (
        isinstance(attachment, dict)
        and attachment.get("network") in names
        and not attachment.get("aliases")
    )


def sound_field(name, value):
    if name in EXISTING and isinstance(value, str) and ID.fullmatch(value):
        return EXISTING[name] or value
    if name == "memberships" and isinstance(value, list):
        # One of each project.
        return sound(value[:1])
    if name == "hostId":
        # A volume asks for a host that is there.
        return None
    if name == "hostIds" and isinstance(value, list):
        # So does an image.
        return [one for one in value if not (isinstance(one, str) and ID.fullmatch(one))]
    if name == "metadata":
        return without_nul(value)
    return value


def without_nul(value):
    """Free JSON, but for the one character that PostgreSQL keeps in no text."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(item) for name, item in value.items()}
    return value


def within(value):
    if type(value) is int and value not in SETTING:
        return SETTING[value % len(SETTING)]
    return value
