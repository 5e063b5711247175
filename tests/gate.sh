#!/bin/sh
# The gate is a type: an import that goes through it compiles, and one that goes around it does not. Both are
# functions in host/src/imports/gate_test.rs; each way around must fail with the one error that it names, and
# nothing else may fail.
#
#     tests/gate.sh
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cases=host/src/imports/gate_test.rs
errors=$(sed -n 's/^#\[cfg(around_the_gate = "\(E[0-9]*\)")\]$/\1/p' "$cases" | sort -u)
[ -n "$errors" ] || { echo "gate.sh: $cases has no way around the gate" >&2; exit 1; }
values=$(printf '"%s",' $errors)
values=${values%,}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Checks the library as it is built for others, with its fewest features (of which the gate is none), and with more of its
# code compiled in.
compile() {
    cargo rustc --locked -p pod-tools-host --lib --no-default-features --profile check --color never --message-format short -- \
        --check-cfg "cfg(around_the_gate, values($values))" "$@" 2>"$output"
}

if ! compile --cfg through_the_gate; then
    cat "$output" >&2
    echo "gate.sh: the way through the gate does not compile" >&2
    exit 1
fi
echo "compiles: through"

failed=
for error in $errors; do
    # `compile` fails where all is well.
    compile --cfg around_the_gate --cfg "around_the_gate=\"$error\"" || true
    # The functions that are to fail, and those in which an error was found: each by its line and name.
    expected=$(awk -v "attribute=#[cfg(around_the_gate = \"$error\")]" '
        $0 == attribute { due = 1 }
        due && match($0, /fn [a-z_]+/) { print substr($0, RSTART + 3, RLENGTH - 3); due = 0 }
    ' "$cases")
    found=$(sed -n "s|^$cases:\([0-9]*\):[0-9]*: error\[$error\]: .*|\1|p" "$output" | sort -n |
        while read -r line; do
            sed -n "1,${line}s/^\(async \)\{0,1\}fn \([a-z_]*\).*/\2/p" "$cases" | tail -n 1
        done)
    # All other errors, but for cargo's own line, which says how many there were.
    others=$(grep -E '(^|: )error' "$output" |
        grep -v -e "^$cases:.*: error\[$error\]: " -e '^error: could not compile' || true)
    if [ -n "$expected" ] && [ "$found" = "$expected" ] && [ -z "$others" ]; then
        echo "$expected" | sed "s/^/does not compile ($error): /"
    else
        failed=1
        { printf 'gate.sh: %s is the error of each of these, and the only one:\n%s\n' "$error" "$expected"
            cat "$output"; } >&2
    fi
done
[ -z "$failed" ]
