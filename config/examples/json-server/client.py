#!/usr/bin/env python3
"""Drives json-server through portcullis as each role, and checks what each one sees.

    config/examples/json-server/client.py http://127.0.0.1:8080

The standard library's http.client, one kept connection per caller, as an application would.
try.sh starts everything and runs this, too. Exits 1 at the first surprise, saying which.
"""

import http.client
import json
import sys
import urllib.parse


class Caller:
    """One user with a key, over one connection."""

    def __init__(self, api, user):
        self.user = user
        self.connection = http.client.HTTPConnection(api.hostname, api.port, timeout=10)

    def ask(self, method, path, body=None, content_type="application/json", chunked=False):
        headers = {"X-Api-Key": f"{self.user}-example-key"} if self.user else {}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = content_type
            if chunked:
                data = iter([data[:5], data[5:]])
        self.connection.request(method, path, data, headers, encode_chunked=chunked)
        answer = self.connection.getresponse()
        text = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "") and text
        return answer.status, json.loads(text) if is_json else text, answer.headers


def check(got, wanted, what):
    if got != wanted:
        sys.exit(f"FAIL  {what}: {got!r}, not {wanted!r}")
    print(f"ok    {what}")


def keys(posts):
    return sorted({key for post in posts for key in post})


def pointers(problem):
    return sorted(error["pointer"] for error in problem["errors"])


def reader(rita):
    status, posts, headers = rita.ask("GET", "/posts")
    check((status, keys(posts)), (200, ["author", "id", "title"]), "rita lists posts without status or internal")
    check(headers["Content-Length"] is not None and headers["ETag"] is None, True, "with a length, without an ETag")
    status, comments, _ = rita.ask("GET", "/comments?_limit=1")
    check((status, [sorted(c["by"]) for c in comments]), (200, [["name"]]), "rita pages through comments without e-mail")
    for method, path, body in [
        ("POST", "/posts", {"title": "mine"}),
        ("PATCH", "/posts/1", {"title": "mine"}),
        ("DELETE", "/posts/1", None),
        ("GET", "/db", None),
        ("GET", "/profile", None),
        ("GET", "/posts?_sort=internal", None),
        ("GET", "/posts?internal.score_gte=0.5", None),
        ("GET", "/comments?by.ip_like=192", None),
    ]:
        check(rita.ask(method, path, body)[0], 403, f"rita may not {method} {path}")
    status, _, _ = rita.ask("GET", "/posts/999")
    check(status, 404, "json-server's own 404 comes through")
    status, body, headers = rita.ask("HEAD", "/posts")
    check((status, body, headers["ETag"]), (200, b"", None), "HEAD speaks of nothing hidden")


def author(ada):
    status, post, _ = ada.ask("PATCH", "/posts/1", {"title": "Changed"})
    check((status, post["title"], "internal" in post), (200, "Changed", False), "ada changes a title; the echo is filtered")
    status, post, _ = ada.ask("PATCH", "/posts/1", {"title": "In chunks"}, chunked=True)
    check((status, post["title"]), (200, "In chunks"), "ada changes a title in chunks")
    status, problem, _ = ada.ask("PATCH", "/posts/1", {"title": "x", "author": "eve", "status": "published", "internal": {}})
    check((status, pointers(problem)), (403, ["/author", "/internal", "/status"]), "ada is told of every field at fault")
    check(ada.ask("PATCH", "/posts/1", {"title": 7})[0], 422, "a title is a text")
    check(ada.ask("PATCH", "/posts/1", b'{"title": "a", "title": "b"}')[0], 400, "a key twice is refused")
    check(ada.ask("PATCH", "/posts/1", b"title=x", "application/x-www-form-urlencoded")[0], 415, "a form is refused, though Express would read it")
    check(ada.ask("PUT", "/posts/1", {"title": "all new"})[0], 409, "replacing would erase what ada cannot see")
    check(ada.ask("GET", "/posts/1")[1]["title"], "In chunks", "none of which reached json-server")


def moderator(maxim):
    status, made, headers = maxim.ask("POST", "/posts", {"title": "Made", "status": "draft", "internal": {"score": 1}})
    check((status, "internal" in made), (201, True), "max creates a post with every field")
    path = f"/posts/{made['id']}"
    check(urllib.parse.urlsplit(headers["Location"]).path, path, "and learns where it is")
    check(maxim.ask("PUT", path, {"title": "Replaced"})[1], {"title": "Replaced", "id": made["id"]}, "max replaces it")
    check(maxim.ask("DELETE", path)[0], 200, "max deletes it")
    check(maxim.ask("GET", path)[0], 404, "it is gone")
    check(maxim.ask("GET", "/profile")[1], {"name": "The blog"}, "the profile has no billing")
    check(maxim.ask("DELETE", "/profile")[0], 403, "max may only read the profile")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    api = urllib.parse.urlsplit(sys.argv[1])
    check(Caller(api, None).ask("GET", "/posts")[0], 401, "a stranger gets nothing")
    reader(Caller(api, "rita"))
    author(Caller(api, "ada"))
    moderator(Caller(api, "max"))


main()
