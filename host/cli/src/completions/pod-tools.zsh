#compdef pod-tools
# Completion of pod-tools in zsh, which quotes what it puts in.
_pod_tools() {
    local -a given candidates open
    local candidate
    given=("${(@)words[1,CURRENT-1]}" "${PREFIX}")
    for candidate in "${(@f)$(command pod-tools __complete "${(@Q)given}" 2>/dev/null)}"; do
        [[ -n $candidate ]] || continue
        if [[ $candidate == *[=/] ]]; then open+=("$candidate"); else candidates+=("$candidate"); fi
    done
    (( ${#open} )) && compadd -S '' -a open
    (( ${#candidates} )) && compadd -a candidates
    return 0
}
if [[ ${funcstack[1]} == _pod_tools ]]; then
    _pod_tools "$@"
else
    compdef _pod_tools pod-tools
fi
