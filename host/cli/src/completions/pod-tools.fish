# Completion of pod-tools in fish, which quotes what it puts in.
function __pod_tools_candidates
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    command pod-tools __complete $words "$current" 2>/dev/null
end
complete --command pod-tools --no-files --arguments '(__pod_tools_candidates)'
