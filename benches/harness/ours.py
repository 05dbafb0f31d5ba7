#!/usr/bin/env python3
"""Portcullis as a peer of the proxy benchmark: turns the harness's policy.json
(100 routes x 20 roles, an HS256 secret) into a policy and settings of ours, in the
folder given, and becomes `portcullis run`.

  ours.py LEVEL DIR PORT UPSTREAM_PORT [BINARY] [--print]

LEVEL  W1 one public route, no identity
       W2 an HS256 token, 100 prefixes x 20 roles
       TLS W1 behind TLS, with the certificate of the harness
       W3 W2, and every role sees records without ssn, salary, history[*].internal
BINARY defaults to target/release/portcullis of this repository. --print writes the
files and does not start anything.
"""
import json
import os
import sys
from pathlib import Path

LETTERS = {"GET": "r", "POST": "c", "DELETE": "d"}
DOCUMENTS = {"obj-300": "", "edge": "/data/*", "list-1k": "/data/*", "list-10k": "/data/*",
             "list-100k": "/data/*", "list-1m": "/data/*", "list-10m": "/data/*"}


def access(grants, role):
    """The letters of a role on one prefix. Ours has one letter for PUT and PATCH where the
    harness has two methods: `u` only where both are granted, so that nothing is allowed that
    the harness's policy denies. (Its checks and load use GET and methods denied by both.)"""
    letters = [letter for method, letter in LETTERS.items() if role in grants[method]]
    if all(role in grants[method] for method in ("PUT", "PATCH")):
        letters.append("u")
    return "".join(sorted(letters, key="crud".index))


def roles(table, schemas):
    names = sorted({role for route in table for held in route["grants"].values() for role in held})
    for name in names:
        grants = [{"path": route["prefix"].rstrip("/") + "/**", "access": letters}
                  for route in table if (letters := access(route["grants"], name))]
        yield {"id": name, "grants": grants} | ({"schemas": schemas} if schemas else {})


def record_schema():
    hidden = {"ssn": False, "salary": False}
    history = {"type": "array", "items": {"type": "object", "additionalProperties": True,
                                          "properties": {"internal": False}}}
    return {"id": "record", "type": "record",
            "body": {"type": "object", "additionalProperties": True,
                     "properties": hidden | {"history": history}}}


def policy(level, given):
    if level in ("W1", "TLS"):
        return {"policy": 1, "roles": [{"id": "nobody", "grants": []}],
                "routes": [{"match": "/**", "public": "crud"}]}
    made = {"policy": 1,
            "identity": {"jwt": [{"issuer": "https://issuer.example", "audience": ["api"],
                                  "algorithms": ["HS256"], "secrets": [{"file": "jwt.secret"}],
                                  "claims": {"roles": "role"}}]}}
    if level == "W2":
        return made | {"roles": list(roles(given["routes"], []))}
    at = [{"path": f"/api/{{res}}/{{id}}/{name}", "pointer": pointer}
          for name, pointer in DOCUMENTS.items()]
    return made | {"roles": list(roles(given["routes"], ["record"])), "schemas": [record_schema()],
                   "resource_types": [{"id": "record", "at": at}]}


def settings(level, port, upstream):
    # JSON is YAML. One worker, as every other peer has; no log line a request, likewise.
    address = f"127.0.0.1:{port}"
    tls = {"address": address, "tls": {"cert": "cert.pem", "key": "key.pem"}}
    return {"listen": tls if level == "TLS" else address, "admin": "off",
            "upstream": f"http://127.0.0.1:{upstream}", "policy": "ours-policy.yaml",
            "workers": 1, "log": {"access": "off"}}


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def main():
    words = [word for word in sys.argv[1:] if word != "--print"]
    if len(words) not in (4, 5) or words[0] not in ("W1", "W2", "W3", "TLS"):
        sys.exit(__doc__)
    level, folder, port, upstream = words[0], Path(words[1]), int(words[2]), int(words[3])
    repository = Path(__file__).resolve().parents[2]
    binary = words[4] if len(words) == 5 else str(repository / "target/release/portcullis")
    given = json.loads((folder / "policy.json").read_text())
    (folder / "jwt.secret").write_text(given["secret"])
    write(folder / "ours-policy.yaml", policy(level, given))
    write(folder / "ours.yaml", settings(level, port, upstream))
    if "--print" not in sys.argv:
        os.execv(binary, [binary, "run", "--config", str(folder / "ours.yaml")])


if __name__ == "__main__":
    main()
