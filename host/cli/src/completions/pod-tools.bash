# Completion of pod-tools in bash. Each candidate is quoted for the shell before it is put in.
_pod_tools() {
    local line=${COMP_LINE:0:COMP_POINT} current candidate prefix
    local -a words
    # Nothing in the line is expanded.
    IFS=$' \t' read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    COMPREPLY=()
    current=${words[${#words[@]}-1]}
    # What bash has cut off at a colon or an equals sign stays as it is.
    prefix=${current%"${current##*[=:]}"}
    while IFS= read -r candidate; do
        [[ $candidate == "$current"* ]] || continue
        [[ $candidate == *[=/] ]] && compopt -o nospace
        candidate=${candidate#"$prefix"}
        [[ $candidate == *[!A-Za-z0-9_./:@%+,=-]* ]] && printf -v candidate %q "$candidate"
        COMPREPLY+=("$candidate")
    done < <(command "${words[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -F _pod_tools pod-tools
