#!/usr/bin/env python3
"""A sample upstream for the examples: JSON by path, shown to everybody who asks.

    python3 config/examples/upstream.py config/examples/layer/data.json [PORT]

The file is an object of paths and what stands there. An array is a collection: POST appends to it,
and its elements are found below it by their id. Changes are kept in memory. It answers on 127.0.0.1
alone, on port 9000 where none is given; 0 takes a free one, which it prints.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

LARGEST_BODY = 1 << 20


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def etag(value):
    return '"%s"' % hashlib.sha256(text(value).encode()).hexdigest()[:16]


def find(values, path):
    """A value at exactly this path, or an element of the collection above it: (there is one, it)."""
    if path in values:
        return True, values[path]
    above, _, name = path.rpartition("/")
    collection = values.get(above)
    if isinstance(collection, list):
        for one in collection:
            if isinstance(one, dict) and one.get("id") == name:
                return True, one
    return False, None


def replace(values, path, value):
    if path in values:
        values[path] = value
        return
    above, _, name = path.rpartition("/")
    collection = values[above]
    at = next(at for at, one in enumerate(collection) if one.get("id") == name)
    collection[at] = value


def remove(values, path):
    there, value = find(values, path)
    if there and path in values:
        del values[path]
    elif there:
        values[path.rpartition("/")[0]].remove(value)
    return there


def with_id(value, name):
    """An element keeps its id, whatever was sent."""
    return {**value, "id": name} if isinstance(value, dict) and name is not None else value


def merged(target, patch):
    """RFC 7396 section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def perform(values, method, path, body):
    """Does what a request asks; a status and what is shown under it."""
    if method == "DELETE":
        return (204 if remove(values, path) else 404), None
    there, now = find(values, path)
    if not there:
        return 404, {"error": "not found"}
    if method in ("GET", "HEAD") or (method == "POST" and not isinstance(now, list)):
        return 200, now
    try:
        sent = json.loads(body)
    except ValueError:
        return 400, {"error": "not JSON"}
    if method == "POST":
        made = with_id(sent, sent.get("id", "new-%d" % (len(now) + 1)))
        now.append(made)
        return 201, made
    if method == "PUT":
        sent = with_id(sent, now.get("id") if isinstance(now, dict) else None)
    elif method == "PATCH":
        sent = merged(now, sent)
    else:
        return 405, None
    replace(values, path, sent)
    return 200, find(values, path)[1]


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    values, lock = {}, Lock()

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            return self.answer(413, None)
        body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        with self.lock:
            there, now = find(self.values, path)
            wanted = self.headers.get("If-Match")
            if there and wanted is not None and wanted != etag(now):
                status, shown = 412, None
            else:
                status, shown = perform(self.values, self.command, path, body)
            self.answer(status, shown)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def answer(self, status, shown):
        body = b"" if shown is None else text(shown).encode()
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
            self.send_header("ETag", etag(shown))
        if status != 204:  # RFC 9110 section 8.6: no length where there can be no content
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1].strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        Upstream.values = json.load(file)
    port = int(sys.argv[2]) if len(sys.argv) == 3 else 9000
    server = ThreadingHTTPServer(("127.0.0.1", port), Upstream)
    print("listening on http://127.0.0.1:%d" % server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
