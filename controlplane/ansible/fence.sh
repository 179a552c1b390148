#!/bin/sh
# The fence of a host: each command of a run of the playbooks passes it with the token of the run.
#
#   fence begin TOKEN SECONDS   raise the fence, and hold the lock of the run until the input ends
#   fence join TOKEN SECONDS    raise the fence, and pass it beside a run of the same token
#   fence run TOKEN COMMAND     run a command, unless a later run has raised the fence
#   fence check TOKEN           exit with REFUSED if a later run has raised it
#
# The token is in the program's directory, and so are the locks. The kernel releases a lock when the
# last process that has it ends. The token stays: after a restart of the host, too.
set -eu
directory=${0%/*}
REFUSED=113
BUSY=114

require() {
    raised=0
    [ ! -s "$directory/token" ] || read -r raised <"$directory/token"
    [ "$1" -ge "$raised" ] || {
        echo "the fence of this host is at $raised: a run with $1 changes nothing more" >&2
        exit $REFUSED
    }
}

raise() {
    # By a program, which says why it cannot write.
    echo "$1" | tee "$directory/token.new" >/dev/null
    sync "$directory/token.new"
    mv "$directory/token.new" "$directory/token"
}

# A connection that a process of an earlier run was started by, and with it the ways to ports.
end_connection() {
    parent=1
    while read -r name value; do
        [ "$name" != PPid: ] || parent=$value
    done <"$1" 2>/dev/null || return 0
    case $(cat "/proc/$parent/comm" 2>/dev/null || :) in
    sshd-session) kill -KILL "$parent" 2>/dev/null || : ;;
    esac
}

end_earlier_run() {
    for _ in $(seq 100); do
        # Its status is 2 when a process has ended meanwhile.
        found=$(grep -lszxF "PENGUIN_FENCE=$directory" /proc/[0-9]*/environ || :)
        [ -n "$found" ] || return 0
        for each in $found; do
            each=${each%/environ}
            end_connection "$each/status"
            kill -KILL "${each#/proc/}" 2>/dev/null || :
        done
        sleep 0.1
    done
}

case $1 in
begin | join)
    exec 7>>"$directory/begin"
    flock 7
    require "$2"
    exec 8>>"$directory/run" 9>>"$directory/commands"
    if [ "$2" -gt "$raised" ]; then
        raise "$2"
        # Before its end, a command under way gets its time. Others of the earlier run are refused.
        flock -w "$3" 9 || :
        end_earlier_run
    fi
    if [ "$1" = join ]; then
        exec 8>&-
    else
        flock -w "$3" 8 && flock -w "$3" 9 || {
            echo "another run is under way on this host" >&2
            exit $BUSY
        }
    fi
    exec 9>&-
    echo held
    export PENGUIN_FENCE="$directory"
    exec cat 7>&- >/dev/null
    ;;
run)
    exec 9>>"$directory/commands"
    flock -s 9
    require "$2"
    # What identifies its processes, those included that close the lock's descriptor.
    export PENGUIN_FENCE="$directory"
    exec /bin/sh -c "$3"
    ;;
check)
    require "$2"
    ;;
esac
