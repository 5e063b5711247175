#!/bin/sh
# Makes the agents ready that npm has, beneath target/, and prints the directory: their packages are in node_modules, their
# programs in programs. To be called as often as one likes: what is there already is not installed again.
#
#     tests/agents/install.sh
set -eu

sources=$(cd "$(dirname "$0")" && pwd)
place=${CARGO_TARGET_DIR:-$(cd "$sources/../.." && pwd)/target}/agents
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
echo "$place"
