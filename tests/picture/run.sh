#!/bin/sh
# Makes the picture at the head of the README, `.github/session.svg`, from a session that is run for it: real pods, behind
# a real fence, in a real terminal. Linux, Python 3.
#
#     tests/picture/run.sh [POD_TOOLS]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
pod_tools=$("$here/../pod_tools.sh" "$@")
place=$(mktemp -d)
# Not beneath the place: what holds the pods is nothing that a fence shows.
project=$(mktemp -d)
trap 'kill $(cat "$place"/insomnia/*/pid 2>/dev/null) 2>/dev/null || true; rm -rf "$place" "$project"' EXIT
printf '# A project\n' > "$project/README.md"
printf 'fn main() {}\n' > "$project/main.rs"
mkdir "$place/bin" && ln -s "$pod_tools" "$place/bin/pod-tools"
cd "$project"
for variable in $(env | sed -n 's/^\(POD_TOOLS_[A-Z_]*\|INSOMNIA_[A-Z_]*\|NO_COLOR\|CLICOLOR[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
export PATH="$place/bin:$PATH" XDG_RUNTIME_DIR="$place"
python3 "$here/draw.py" "$here/session.txt" "$place=/run/user/1000" "$project=/home/me/project" > "$place/session.svg"
cp "$place/session.svg" "$here/../../.github/session.svg"
