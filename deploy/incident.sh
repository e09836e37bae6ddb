#!/bin/sh
# incident.sh: everything that a running takhin can tell of what is wrong with it now, in one folder and one archive.
# Needs curl and tar, nothing of takhin's. See -h.
set -uf
umask 077 # topics, clients and requests are in there

profiler=127.0.0.1:6060
metrics=127.0.0.1:9090
health=127.0.0.1:9091
seconds=30
last=30
root=/var/log/takhin/profiles
captures_max=10

usage() {
    cat <<END
usage: ${0##*/} [flags]

Collects from a running takhin, at once or over the same SECONDS, into FOLDER/<time> and FOLDER/<time>.tar.gz:
the flight recorder's trace of the last seconds, stacks of all tasks, heap, CPU, waits (block), lock holders (mutex),
wall clock (fgprof), the traces saved of slow requests, metrics before and after, health and the profiler's settings.

  -p HOST:PORT  the profiler, which is off by default; $profiler
  -m HOST:PORT  the metrics; $metrics
  -e HOST:PORT  the health port; $health
  -s SECONDS    how long the CPU, block, mutex and fgprof profiles are; $seconds
  -l SECONDS    how far back the trace goes; $last
  -o FOLDER     where to; $root
  -h            this

Exit code: 0 all was collected, 1 nothing was, 2 wrong usage, 3 some was not (log.txt in the folder says what and why).
END
}

refuse() {
    echo "${0##*/}: $1 (-h shows the flags)" >&2
    exit 2
}

# Number, name of the flag.
check_seconds() {
    case "$1" in
    '' | *[!0-9]* | 0*) refuse "$2 takes a whole number of seconds, not '$1'" ;;
    esac
}

while getopts p:m:e:s:l:o:h flag; do
    case "$flag" in
    p) profiler=$OPTARG ;;
    m) metrics=$OPTARG ;;
    e) health=$OPTARG ;;
    s) seconds=$OPTARG ;;
    l) last=$OPTARG ;;
    o) root=$OPTARG ;;
    h) usage; exit 0 ;;
    *) refuse "wrong flag" ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || refuse "unexpected: $*"
check_seconds "$seconds" -s
check_seconds "$last" -l
for tool in curl tar; do
    command -v "$tool" >/dev/null || { echo "${0##*/}: $tool is not installed here" >&2; exit 1; }
done

stamp=$(date -u +%Y%m%dT%H%M%SZ)
folder=$root/$stamp
if ! mkdir -p "$root" || ! mkdir "$folder"; then
    echo "${0##*/}: cannot make $folder; -o names another place" >&2
    exit 1
fi

say() {
    echo "$*" | tee -a "$folder/log.txt"
}

# File, address, longest time in seconds. In the background, so that an interrupt is heard meanwhile.
begin() {
    curl -sS -g -o "$folder/$1.part" -w '%{http_code}' --connect-timeout 5 --max-time "$3" "http://$2" \
        >"$folder/$1.status" 2>"$folder/$1.error" &
}

# File, address, what curl runs as. The file appears when it is whole; of what is not there, log.txt says why.
settle() {
    wait "$3"
    code=$?
    status=$(cat "$folder/$1.status")
    if [ "$code" = 0 ] && [ "$status" = 200 ]; then
        mv "$folder/$1.part" "$folder/$1"
        say "  $1"
    elif [ "$code" = 0 ]; then
        say "  NOT $1: http://$2: $status $(head -c 200 "$folder/$1.part" | tr -d '\000' | tr '\n' ' ')"
    else
        say "  NOT $1: http://$2: $(cat "$folder/$1.error")"
    fi
    rm -f "$folder/$1.part" "$folder/$1.status" "$folder/$1.error"
}

fetch() {
    begin "$@"
    settle "$1" "$2" "$!"
}

# The whole files stay, and are packed. Never returns.
finish() {
    trap '' INT TERM
    find "$folder" \( -name '*.part' -o -name '*.status' -o -name '*.error' \) -exec rm -f {} +
    rmdir "$folder/captures" 2>/dev/null
    if [ -z "$(find "$folder" -type f ! -name log.txt)" ]; then
        rm -r "$folder"
        echo "Nothing was collected." >&2
        exit 1
    fi
    if ! tar -C "$root" -czf "$folder.tar.gz.part" "$stamp" || ! mv "$folder.tar.gz.part" "$folder.tar.gz"; then
        rm -f "$folder.tar.gz.part"
        echo "Profiles saved to $folder; the archive could not be written." >&2
        exit 3
    fi
    echo "Profiles saved to $folder and $folder.tar.gz"
    if [ -n "$interrupted" ] || grep -q '^  NOT ' "$folder/log.txt"; then
        exit 3
    fi
    exit 0
}

# shellcheck disable=SC2317 # the trap calls it
interrupt() {
    interrupted=yes
    say "Interrupted: what is not whole by now is left out."
    # The shell's own list: it has the one, too, that was begun this very moment.
    jobs -p >"$folder/running.part"
    # shellcheck disable=SC2046 # a list of numbers
    kill $(cat "$folder/running.part") 2>/dev/null
    wait
    finish
}

collect_now() {
    say "This moment:"
    # First what fades: the flight recorder forgets, and the stacks are of now.
    fetch trace-last.out "$pprof/trace?last=${last}s" 60
    fetch goroutine.txt "$pprof/goroutine?debug=2" 60
    fetch goroutine.prof "$pprof/goroutine" 60
    fetch heap.prof "$pprof/heap" 60
    fetch threadcreate.prof "$pprof/threadcreate" 60
    fetch cmdline.txt "$pprof/cmdline" 20
}

# At the same time: 30 s take 30 s.
collect_timed() {
    say "The next $seconds s:"
    begun=
    for source in cpu:pprof/profile block:pprof/block mutex:pprof/mutex fgprof:fgprof; do
        address="$profiler/debug/${source#*:}?seconds=$seconds"
        begin "${source%%:*}.prof" "$address" $((seconds + 60))
        begun="$begun ${source%%:*}.prof $address $!"
    done
    # shellcheck disable=SC2086 # words, three for each
    set -- $begun
    while [ $# -gt 0 ]; do
        settle "$1" "$2" "$3"
        shift 3
    done
}

# Traces that takhin has saved by itself; its list begins with the newest, and a name needs no quoting.
collect_captures() {
    say "Slow requests:"
    fetch captures.json "$pprof/captures?format=json" 20
    [ -e "$folder/captures.json" ] || return
    mkdir "$folder/captures"
    for name in $(tr ',{}' '\n' <"$folder/captures.json" | sed -n 's/^"name":"\([A-Za-z0-9._-]*\)"$/\1/p' |
        head -n "$captures_max"); do
        fetch "captures/$name" "$pprof/captures/$name" 60
    done
}

pprof=$profiler/debug/pprof
interrupted=
trap interrupt INT TERM

say "Incident of $stamp on $(uname -n): profiler $profiler, metrics $metrics, health $health"
fetch profiler.json "$profiler/debug/profiler/config" 20
fetch metrics-before.txt "$metrics/metrics" 20
fetch health.json "$health/health" 20
if [ -e "$folder/profiler.json" ]; then
    collect_now
    collect_timed
    fetch metrics-after.txt "$metrics/metrics" 20
    collect_captures
else
    say "No profiles without the profiler. It is off by default: TAKHIN_PROFILER_ENABLED=true starts takhin with it;"
    say "without a restart, profiler: {enabled: true} in takhin's file and kill -HUP. If it is on: is -p its address?"
fi
finish
