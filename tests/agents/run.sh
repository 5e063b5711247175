#!/bin/sh
# Runs agents that nobody here wrote as pods, against models of its own on the loopback interface: by their presets
# (`pod-tools pod --agent`, presets.py), and those of the Agent Client Protocol by their commands (acp.py). It prints a
# line for each thing seen, and "not run" with the reason for what is not to be had.
#
#     tests/agents/run.sh [POD_TOOLS]
#
# POD_TOOLS is the binary; without one it is built. It takes npm, Node 20 or newer, and Python 3.10 or newer.
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$sources/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
binary=${1:-}
if [ -z "$binary" ]; then
    cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --bin pod-tools
    binary=$target/debug/pod-tools
fi

place=$target/agents
mkdir -p "$place"
if ! cmp -s "$sources/package-lock.json" "$place/installed-from"; then
    cp "$sources/package.json" "$sources/package-lock.json" "$sources/.npmrc" "$place/"
    npm ci --prefix "$place" --no-audit --no-fund --ignore-scripts >&2
    cp "$sources/package-lock.json" "$place/installed-from"
fi

# Programs that are no scripts are moved to their names by scripts of npm's, which are not run: here by links.
programs=$place/programs
rm -rf "$programs"
mkdir "$programs"
link() {
    for file in "$place"/node_modules/$2; do
        if "$file" --version >/dev/null 2>&1; then
            ln -s "$file" "$programs/$1"
            return
        fi
    done
}
link claude '@anthropic-ai/claude-code-*/claude'
link codex-acp '.bin/codex-acp'
link gemini '.bin/gemini'
link opencode 'opencode-linux-*/bin/opencode'

python3 -B "$sources/presets.py" "$binary" "$programs"
exec python3 -B "$sources/acp.py" "$binary" "$programs" "$place/node_modules"
