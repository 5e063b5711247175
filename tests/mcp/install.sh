#!/bin/sh
# Runs `pod-tools mcp --install` and `--remove` against the real clients: in an empty home and in one with other servers,
# each client lists the server, its agent calls all four tools of a real pod, by a model that is none (fake_model.py), and
# with the entry removed its files are to the byte what they were.
#
#     tests/mcp/install.sh [POD_TOOLS [CLIENT…]]
#
# POD_TOOLS is the binary; without one it is built. Without a CLIENT, all of them. It takes npm and Python 3.9 or newer, and brings a Node of its own
# where there is none that is new enough. Nothing leaves this machine but for the registry of npm.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
place=${CARGO_TARGET_DIR:-$root/target}/mcp-clients
binary=$("$sources/../pod_tools.sh" "${1:-}")
[ $# = 0 ] || shift
clients=${*:-claude codex gemini opencode}

mkdir -p "$place"
if ! cmp -s "$sources/clients/package-lock.json" "$place/installed-from"; then
    cp "$sources/clients/package.json" "$sources/clients/package-lock.json" "$sources/.npmrc" "$place/"
    npm ci --prefix "$place" --no-audit --no-fund --ignore-scripts >&2
    cp "$sources/clients/package-lock.json" "$place/installed-from"
fi
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
if [ "${major:-0}" -lt 22 ]; then
    PATH=$(echo "$place"/node_modules/node-linux-*/bin):$PATH
fi
# No script of a package has been run: these are the programs themselves.
case $(uname -m) in aarch64 | arm64) machine=arm64 ;; *) machine=x64 ;; esac
mkdir -p "$place/bin"
ln -sf "$place/node_modules/@anthropic-ai/claude-code-linux-$machine/claude" "$place/bin/claude"
ln -sf "$place/node_modules/opencode-linux-$machine/bin/opencode" "$place/bin/opencode"
PATH=$place/bin:$place/node_modules/.bin:$PATH

run=$(mktemp -d)
model=
pod=
stop() {
    [ -z "$model" ] || kill "$model" 2>/dev/null || true
    [ -z "$pod" ] || kill "$pod" 2>/dev/null || true
    wait
    rm -rf "$run"
}
trap stop EXIT

failed() {
    echo "install.sh: $*" >&2
    exit 1
}

python3 -B "$sources/fake_model.py" "$run/port" &
model=$!
for _ in $(seq 200); do
    [ -e "$run/port" ] && break
    kill -0 "$model" 2>/dev/null || break
    sleep 0.05
done
api=http://127.0.0.1:$(cat "$run/port")

# A client, with nothing of this process's environment.
client() {
    (cd "$home/project" && env -i PATH="$PATH" HOME="$home" TERM=dumb KEY=any \
        ANTHROPIC_BASE_URL="$api" ANTHROPIC_API_KEY=any CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1 \
        GOOGLE_GEMINI_BASE_URL="$api" GEMINI_API_KEY=any GEMINI_CLI_TRUST_WORKSPACE=true \
        OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1 \
        timeout 120 "$@" </dev/null 2>&1)
}

setup() {
    env -i PATH="$PATH" HOME="$home" "$binary" mcp --base-dir "$home/base" "$@"
}

listed() {
    case $1 in
        claude) client claude mcp list ;;
        codex) client codex mcp list ;;
        gemini) client gemini mcp list ;;
        opencode) client opencode mcp list ;;
    esac
}

# Where its agent is asked to do something.
prompted() {
    case $1 in
        claude) client claude -p --allowedTools mcp__pods -- go ;;
        codex)
            client codex exec --skip-git-repo-check -c model=m -c model_provider=fake \
                -c "model_providers.fake={name=\"fake\",base_url=\"$api/v1\",env_key=\"KEY\",wire_api=\"responses\"}" go
            ;;
        gemini) client gemini -m gemini-2.5-flash -p go ;;
        opencode) client opencode run -m fake/m go ;;
    esac
}

file_of() {
    case $1 in
        claude) echo "$home/.claude.json" ;;
        codex) echo "$home/.codex/config.toml" ;;
        gemini) echo "$home/.gemini/settings.json" ;;
        opencode) echo "$home/.config/opencode/opencode.jsonc" ;;
    esac
}

# What a user has there already: other servers, and comments where the client takes some.
others() {
    case $1 in
        claude) printf '{"mcpServers": {"other": {"command": "/bin/false"}}, "numStartups": 7}' ;;
        codex) printf '# mine\n[mcp_servers.other]\ncommand = "/bin/false" # keep\nargs = [\n  "a", # this, too\n]\n\n# the end\n' ;;
        gemini)
            printf '{\n\t// mine\n\t"mcpServers": {\n\t\t"other": { "command": "/bin/false" } // keep\n\t},\n'
            printf '\t"security": { "auth": { "selectedType": "gemini-api-key" } }\n}\n'
            ;;
        opencode)
            printf '{\n  // mine\n  "$schema": "https://opencode.ai/config.json",\n  "provider": {"fake": {"npm": '
            printf '"@ai-sdk/openai-compatible", "models": {"m": {}},\n    "options": {"baseURL": "%s/v1", "apiKey": ' "$api"
            printf '"any"}}},\n  "mcp": {\n    "other": {"type": "local", "command": ["/bin/false"], "enabled": false,},\n'
            printf '  }, // keep\n}\n'
            ;;
    esac
}

# The pod that the agent talks to, and stops.
pod_starts() {
    env -i PATH="$PATH" HOME="$home" "$binary" pod reviewer --base-dir "$home/base" -- cat 2>"$home/pod.log" &
    pod=$!
    for _ in $(seq 200); do
        grep -q 'ready at' "$home/pod.log" && return
        sleep 0.05
    done
    failed "the pod does not start: $(cat "$home/pod.log")"
}

# That its agent has called each tool, and what it was told.
calls() {
    pod_starts
    told=$(prompted "$1")
    for words in '1 pod(s) known' 'sent message to `reviewer`' 'pod `reviewer`' 'stopped pod `reviewer`'; do
        case $told in *"$words"*) ;; *) failed "$1: the agent was not told: $words: $told" ;; esac
    done
    wait "$pod" || true
    pod=
}

for name in $clients; do
    if ! command -v "$name" >/dev/null; then
        echo "$name: not run: clients/package-lock.json has none for this machine"
        continue
    fi
    for kind in empty others; do
        home=$run/$name-$kind
        mkdir -p "$home/project" "$home/base"
        # The plugin is compiled at its first start: some seconds in a debug build, for which not every client waits.
        env -i PATH="$PATH" HOME="$home" "$binary" tools >/dev/null
        file=$(file_of "$name")

        # At once: to the byte, and nothing made that stays but the grants.
        if [ "$kind" = others ]; then
            mkdir -p "$(dirname "$file")"
            others "$name" >"$file"
        fi
        (cd "$home" && find . | sort) >"$run/before"
        [ "$kind" = empty ] || cp "$file" "$run/bytes"
        setup --install "$name" >/dev/null 2>"$run/said" || failed "$name: $(cat "$run/said")"
        setup --install "$name" --remove >/dev/null 2>"$run/said" || failed "$name: $(cat "$run/said")"
        [ "$kind" = empty ] || cmp "$run/bytes" "$file"
        (cd "$home" && find . | grep -v '^./.config/pod-tools' | sort) >"$run/after"
        [ -e "$run/before" ] && diff "$run/before" "$run/after" | grep -v '^[0-9]' | grep -vx '> ./.config' && failed "$name: left"

        # After the client has run: it writes down what it pleases at its first start, and what it was asked about.
        listed "$name" >"$run/list" || failed "$name does not list its servers: $(cat "$run/list")"
        ! grep -q 'pods' "$run/list" || failed "$name lists it before it is there"
        listed "$name" >/dev/null
        rm -f "$run/bytes"
        [ ! -e "$file" ] || cp "$file" "$run/bytes"
        setup --install "$name" --grant list,read,send,stop >"$run/diff" 2>"$run/said" || failed "$name: $(cat "$run/said")"
        listed "$name" >"$run/list" || failed "$name does not list its servers: $(cat "$run/list")"
        grep -q 'pods' "$run/list" || failed "$name does not list it: $(cat "$run/list")"
        [ "$kind" = empty ] || grep -q 'other' "$run/list" || failed "$name has lost a server: $(cat "$run/list")"
        setup --install "$name" --remove >/dev/null 2>"$run/said" || failed "$name: $(cat "$run/said")"
        if [ -e "$run/bytes" ]; then
            cmp "$run/bytes" "$file"
        else
            [ ! -e "$file" ] || failed "$name: $file is still there: $(cat "$file")"
        fi
        said="listed, removed to the byte"

        # Its agent. What the client notes down of that in the same file stays there.
        if [ "$kind" = others ]; then
            setup --install "$name" --grant list,read,send,stop >/dev/null 2>&1
            calls "$name"
            setup --install "$name" --remove >/dev/null 2>"$run/said" || failed "$name: $(cat "$run/said")"
            listed "$name" >"$run/list"
            ! grep -q 'pods' "$run/list" || failed "$name lists it after it was removed"
            said="$said, all tools called"
        fi
        echo "$name, $kind home: $said"
    done
done
