#!/usr/bin/env bash
# Parts of a check that run beside each other, because each uses one core or waits; sourced by .ci/run.
#
#   beside NAME COMMAND ...   starts one; what it prints is kept until then
#   ended NAME ALLOWED ...    waits for it and prints all of that; its exit code, 0 for an allowed one
#
# Each is a process group of its own: what still runs when the script ends, for whatever reason, is ended with it.
printed=$(mktemp -d)
declare -A group=()

beside() {
    local name=$1
    shift
    echo "== $name: begun after $SECONDS s"
    set -m
    (
        trap 'echo "== $name: exit code $? after $SECONDS s"' EXIT
        "$@"
    ) >"$printed/$name" 2>&1 </dev/null &
    set +m
    group[$name]=$!
}

ended() {
    local name=$1 code=0 allowed
    shift
    wait "${group[$name]}" || code=$?
    unset "group[$name]"
    cat "$printed/$name"
    for allowed in "$@"; do [ "$code" != "$allowed" ] || code=0; done
    return "$code"
}

end_all() {
    local one
    for one in "${group[@]}"; do kill -TERM -- "-$one" 2>/dev/null || true; done
    for one in "${group[@]}"; do wait "$one" || true; done
    rm -rf "$printed"
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
