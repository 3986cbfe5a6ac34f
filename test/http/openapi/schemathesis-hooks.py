"""Requests that the schemas allow and Kilde refuses, with the reasons.

Schemathesis expects that every request within the schemas succeeds. Where no schema can state a rule, Kilde's problem
names it, and the table lists it for the operations that have it. Any other refusal fails the check.
"""

import re
from fnmatch import fnmatchcase

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

FEED = "/feeds/{feed}/v{version}"
CONSUMERS = ("/events/consumers", f"{FEED}/consumers")
READS = ["GET /events", "GET /streams/{stream}", f"GET {FEED}", f"GET {FEED}/subjects/{{subject}}"]
LISTS = ["GET /streams", f"GET {FEED}/subjects"]
COMMITS = [f"PUT {path}/{{consumer}}" for path in CONSUMERS]
APPENDS = ["POST /streams/{stream}", "POST /transactions"]
REMOVAL = "DELETE /streams/{stream}"
SUBSCRIBE = "POST /subscriptions"
SUBSCRIPTION = "/subscriptions/{subscription}"
CHANGE = f"PATCH {SUBSCRIPTION}"

# Patterns of operations, and expressions for a problem's code or the detail of one fault.
REFUSALS = [
    # The answer depends on what the log holds.
    ([*READS, *LISTS, *COMMITS, SUBSCRIBE], r"cursor-beyond-head"),
    ([REMOVAL], r"The stream is at version .*"),
    ([*APPENDS, REMOVAL], r"precondition-failed|idempotency-key-reused"),
    ([f"* {FEED}*"], r"feed-retired"),
    ([SUBSCRIBE], r"There is no log .*"),
    ([f"POST {SUBSCRIPTION}/rewind"], r"(after|upTo) is .*|A doorbell delivers no events .*"),
    ([CHANGE], r"A redelivery is under way, .*"),
    # The endpoint has not consented.
    ([SUBSCRIBE, CHANGE], r"endpoint-refuses"),
    # The parameters exclude each other, and OpenAPI describes each alone.
    (READS, r"waits for later events only|has no meaning for an event stream"),
    (LISTS, r"cannot be combined with changedSince, .*"),
    ([*APPENDS, REMOVAL], r"cannot be combined with If-None-Match|names another identity than If-Match does .*"),
    ([REMOVAL], r"State `before` .*"),
    (APPENDS, r"The subject is .*, but the stream is .*"),
    (APPENDS, r"is stated in the metadata as well|is kept as .*"),
    # Limits count bytes of UTF-8 or of JSON.
    (["*"], r"must be at most \d+ bytes of UTF-8"),
    ([*APPENDS, *COMMITS, SUBSCRIBE, CHANGE], r"limit-exceeded"),
    # Without lookahead, which Go's expressions lack, no pattern excludes these.
    (["*"], r'must not (be|have) "\." or "\.\.".*|must not contain lone surrogates'),
    (APPENDS, r'must not begin with "kilde\."'),
    # The limit counts the name of a header and its value together.
    ([SUBSCRIBE, CHANGE], r".* must be at most \d+ characters, with its value"),
    # The values have a syntax of their own.
    (APPENDS, r"must be the JSON text of an object"),
    ([SUBSCRIBE, CHANGE], r"must be a URL|must not be a private or special address, .*"),
    ([SUBSCRIBE, CHANGE], r".* is set by the sender|a name occurs twice, in different case"),
    ([SUBSCRIBE, f"POST {SUBSCRIPTION}/rotate-secret"], r"A whs(ec|k)_ secret .*|The part after .*"),
]


def is_refusal(operation, text):
    return any(
        re.fullmatch(expression, text, re.DOTALL) and any(fnmatchcase(operation, each) for each in operations)
        for operations, expression in REFUSALS
    )


def is_explained(operation, problem):
    code = problem["type"].removeprefix("/problems/")
    faults = problem.get("errors", [])
    return is_refusal(operation, code) or (
        len(faults) > 0 and all(is_refusal(operation, fault["detail"]) for fault in faults)
    )


@schemathesis.check
def explained_refusal(ctx, response, case):
    """Runs the built-in check for every answer that the table does not explain."""
    is_problem = response.headers.get("content-type", [""])[0].startswith("application/problem+json")
    if is_problem and is_explained(case.operation.label, response.json()):
        return None
    return positive_data_acceptance(ctx, response, case)
