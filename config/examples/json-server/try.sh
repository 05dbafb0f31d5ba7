#!/usr/bin/env bash
# Starts json-server and portcullis on free ports and checks what README.md says of them.
#
#   config/examples/json-server/try.sh
#
# JSON_SERVER and PORTCULLIS name the programs where they are not on the PATH or in target/.
# With UPSTREAM_ONLY=1 it starts json-server alone, prints its URL and waits for Ctrl-C.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../../.." && pwd)"

server="${JSON_SERVER:-json-server}"
if ! command -v "$server" >/dev/null; then
    echo "json-server is not here: npm install json-server@0.17, then" >&2
    echo "JSON_SERVER=node_modules/.bin/json-server $0" >&2
    exit 2
fi
server="$(realpath "$(command -v "$server")")"
proxy="${PORTCULLIS:-$root/target/release/portcullis}"
if ! command -v "$proxy" >/dev/null; then
    echo "$proxy is not here: cargo build --release, or name it in PORTCULLIS" >&2
    exit 2
fi
proxy="$(realpath "$(command -v "$proxy")")"

scratch="$(mktemp -d)"
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

free_port() {
    node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => {
        console.log(s.address().port); s.close(); })'
}

# Waits at most ten seconds for an HTTP answer, whatever it says.
wait_for() {
    for _ in $(seq 100); do
        if curl -s -o "$scratch/answer" "$1"; then return 0; fi
        sleep 0.1
    done
    echo "no answer from $1" >&2
    cat "$scratch"/*.log >&2
    return 1
}

cp "$here/db.json" "$scratch/db.json"
up="$(free_port)"
(cd "$scratch" && exec "$server" --quiet --host 127.0.0.1 --port "$up" db.json) \
    >"$scratch/json-server.log" 2>&1 &
started+=($!)
wait_for "http://127.0.0.1:$up/posts"
if [ -n "${UPSTREAM_ONLY:-}" ]; then
    echo "json-server: http://127.0.0.1:$up"
    wait "${started[0]}"
    exit
fi

port="$(free_port)"
(cd "$scratch" && exec "$proxy" run --listen "127.0.0.1:$port" --admin 127.0.0.1:0 \
    --upstream "http://127.0.0.1:$up" --policy "$here/policy.yaml") >"$scratch/portcullis.log" 2>&1 &
started+=($!)
api="http://127.0.0.1:$port"
wait_for "$api/"

failed=0
# expect STATUS has|hasnt TEXT USER CURL-ARGUMENTS…: the status, and text in the body or not.
# (`Hello` is the text of a post; `title` stands in every refusal as well.)
expect() {
    local status="$1" how="$2" text="$3" user="$4" got body ok=yes
    shift 4
    local key=()
    [ "$user" = - ] || key=(-H "X-Api-Key: $user-example-key")
    got="$(curl -s -o "$scratch/body" -w '%{http_code}' --max-time 10 "${key[@]}" "$@" || true)"
    body="$(cat "$scratch/body")"
    [ "$got" = "$status" ] || ok=no
    case "$how" in
        has) [[ "$body" == *"$text"* ]] || ok=no ;;
        hasnt) [[ "$body" != *"$text"* ]] || ok=no ;;
    esac
    if [ "$ok" = yes ]; then
        printf 'ok    %s %-5s %s\n' "$got" "$user" "${*: -1}"
    else
        printf 'FAIL  %s, not %s with a body that %s `%s`: %s %s\n%s\n' \
            "$got" "$status" "$how" "$text" "$user" "$*" "$body"
        failed=$((failed + 1))
    fi
}
json=(-H 'Content-Type: application/json')

expect 401 hasnt Hello - "$api/posts"
expect 401 hasnt Hello wrong "$api/posts"
expect 200 has title rita "$api/posts"
expect 200 hasnt score rita "$api/posts"
expect 200 hasnt status rita "$api/posts/1"
expect 200 has score max "$api/posts"
expect 200 has Nice rita "$api/posts/1/comments"
expect 200 hasnt mail.example rita "$api/posts/1/comments"
expect 200 hasnt 192.0.2 rita "$api/comments"
expect 200 hasnt mail.example rita "$api/posts/1?_embed=comments"
expect 200 has mail.example max "$api/comments"
expect 403 hasnt Hello rita -X DELETE "$api/posts/1"
expect 403 has /status ada -X PATCH "${json[@]}" -d '{"status": "published"}' "$api/posts/2"
expect 200 has '"draft"' ada "$api/posts/2"
expect 200 has 'Hello again' ada -X PATCH "${json[@]}" -d '{"title": "Hello again"}' "$api/posts/1"
expect 200 has 'Hello again' rita "$api/posts/1"
expect 409 hasnt score ada -X PUT "${json[@]}" -d '{"title": "all new"}' "$api/posts/1"
expect 201 has 'new one' max -X POST "${json[@]}" -d '{"title": "new one"}' "$api/posts"
expect 403 hasnt billing max "$api/db"
expect 200 hasnt iban max "$api/profile"
expect 403 hasnt Hello rita "$api/POSTS/1"
expect 403 hasnt Hello rita "$api/posts/1/"
expect 502 hasnt Hello rita "$api/posts?callback=steal"
expect 403 hasnt Hello ada -X POST -H 'X-HTTP-Method-Override: DELETE' "$api/posts/1"
expect 400 hasnt Hello rita --path-as-is "$api/posts/../db"


# The same through another client, over connections that it keeps.
if command -v python3 >/dev/null; then
    python3 "$here/client.py" "$api" || failed=$((failed + 1))
else
    echo "skipped client.py: python3 is not here"
fi

if [ "$failed" -gt 0 ]; then
    echo "$failed failed; the proxy said:"
    cat "$scratch/portcullis.log"
    exit 1
fi
echo "all as README.md says"
