# shellcheck shell=bash
# Sourced by manage_services.sh: what an operator does with installed services.
# shellcheck disable=SC2154 # root, python, user_mode, say, fail: the script's

services=(active-trader-embedded alpaca-data alpaca-trade active-trader)
flatten_timer=active-trader-flatten.timer
# shellcheck disable=SC2034 # install.sh's
all_files=(active-trader.service alpaca-data.service alpaca-trade.service active-trader-embedded.service
    active-trader-flatten@.service active-trader-alert@.service "$flatten_timer")
if [ "$user_mode" ]; then
    unit_folder=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
else
    unit_folder=/etc/systemd/system
fi

# Run as root, through sudo where we are not.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        fail "this needs root: run it with sudo, or take --user"
    fi
}

manager() {
    if [ "$user_mode" ]; then
        systemctl --user "$@"
    else
        as_root systemctl "$@"
    fi
}

need_manager() {
    if [ "$user_mode" ]; then
        systemctl --user show-environment >/dev/null 2>&1 ||
            fail "no systemd --user answers here: log in on a session of your own (loginctl enable-linger $USER)"
    elif [ "$(id -u)" != 0 ]; then
        fail "this needs root: sudo ./manage_services.sh $command (or add --user)"
    elif [ ! -d /run/systemd/system ]; then
        fail "systemd does not run on this machine: use ./manage_services.sh demo, or docs/operations.md"
    fi
}

need_installed() {
    if [ ! -f "$unit_folder/active-trader.service" ]; then
        fail "not installed: sudo ./manage_services.sh install" \
            "(or ./manage_services.sh install --user)"
    fi
}

# The services that are installed, and the timer.
present_units() {
    local name
    for name in "${services[@]/%/.service}" "$flatten_timer"; do
        if [ -f "$unit_folder/$name" ]; then echo "$name"; fi
    done
}

simulated() { [ -f "$unit_folder/active-trader-embedded.service" ]; }

start_services() {
    local names
    need_installed
    mapfile -t names < <(present_units)
    manager reset-failed "${names[@]}" 2>/dev/null || true # a start limit that was reached starts anew
    if ! manager start "${names[@]}"; then
        fail "not everything started: ./manage_services.sh status, then ./manage_services.sh logs"
    fi
    say "started: ${names[*]}"
}

# The timer stays, so that what is held is sold at the flatten time all the same.
stop_services() {
    local names
    need_installed
    mapfile -t names < <(present_units)
    if ! simulated; then
        unset 'names[-1]'
        say "the flatten timer stays: what is held is sold before the close (systemctl stop $flatten_timer ends that)"
    fi
    manager stop "${names[@]}"
    say "stopped; what is held keeps its stops at the broker"
}

restart_services() {
    need_installed
    if [ ! "$force" ] && ! told=$(active_trader intents 2>&1); then
        fail "$told; wait a moment, or: ./manage_services.sh restart --force"
    fi
    local names
    mapfile -t names < <(present_units)
    manager reset-failed "${names[@]}" 2>/dev/null || true
    manager restart "${names[@]}" || fail "not everything started: ./manage_services.sh status"
    say "restarted: ${names[*]}"
}

show_logs() { # [SERVICE] [-n N] [-f]
    local units=() lines=50 follow=
    while [ $# -gt 0 ]; do
        case $1 in
        -n) lines=${2:?-n needs a number} && shift ;;
        -f) follow=--follow ;;
        data | trade) units+=(-u "alpaca-$1") ;;
        trader) units+=(-u active-trader) ;;
        flatten) units+=(-u 'active-trader-flatten@*') ;;
        embedded) units+=(-u active-trader-embedded) ;;
        *) units+=(-u "$1") ;;
        esac
        shift
    done
    if [ ${#units[@]} = 0 ]; then
        units=(-u alpaca-data -u alpaca-trade -u active-trader -u 'active-trader-flatten@*')
    fi
    if [ "$user_mode" ]; then
        # Where the journal is not kept for users, the files have it.
        journalctl --user --quiet "${units[@]}" -n "$lines" --no-pager $follow ||
            tail -n "$lines" ${follow:+-F} -- "$root"/logs/*.log
    else
        as_root journalctl "${units[@]}" -n "$lines" --no-pager $follow
    fi
}

# A command of the program, in the home that the services have.
active_trader() { # COMMAND...
    case $1 in status | doctor | intents) set -- "$@" ${user_mode:+--user} ;; esac
    ACTIVE_TRADER_HOME=${ACTIVE_TRADER_HOME:-$root} "$python" "$root/active_trader.py" "$@"
}
