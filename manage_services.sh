#!/usr/bin/env bash
# Sets Active Trader up and runs it. Works from any directory, without root.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
home=${ACTIVE_TRADER_HOME:-$root}
venv=$root/.venv
python=$venv/bin/python
table=$root/data/session_table.csv
tokens=(MCP_DATA_TOKEN MCP_TRADE_TOKEN MCP_OPERATOR_TOKEN)

usage() {
    cat <<'TEXT'
usage: manage_services.sh COMMAND

  setup            find a Python, install the packages into .venv, write missing tokens to .env,
                   make the table of trading sessions; does nothing when all of that is there
  demo [OPTIONS]   set up, then trade one whole synthetic day without any keys
                   (OPTIONS are those of: python active_trader.py simulate)
  test [OPTIONS]   set up, then run the linter, the type checker and all tests
                   (OPTIONS are pytest's)

As systemd services (with --user: your own, without root):

  install          render the units, make the services' users, hand each its own keys, enable them
  uninstall        take all of that away again; data/ and logs/ stay
  start            start the servers, the trader and the flatten timer, and wait until they are ready
  stop             stop them; positions keep their stops at the broker
  restart          stop and start; refused while an order's outcome is open, but with --force
  status           one screen: units, phase, positions, P&L, trading state, next event
  logs [SERVICE]   the last lines of the journal: of data, trade, trader, flatten, embedded, or all
                   (-n N lines; -f follows)
  flatten          sell everything now, whatever is running
  doctor           check keys, clock, disk, calendar, ports, versions, permissions and whether the
                   model and the broker answer; says what to do, and ends with status 3 if unwell
TEXT
}

say() { printf 'manage_services.sh: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

# Being on the PATH proves nothing: pyenv's shims answer for versions that are not selected, and Debian
# ships a Python without venv. So each candidate is run.
suits() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1
}

candidates() {
    local base
    if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; fi
    printf '%s\n' python3.12 python3.13 python3
    printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[23].*/bin/python
    if [ -n "${CONDA_PREFIX:-}" ]; then echo "$CONDA_PREFIX/bin/python"; fi
    if base=$(conda info --base 2>/dev/null); then
        printf '%s\n' "$base/bin/python" "$base"/envs/*/bin/python
    fi
    uv python find '>=3.12,<3.14' 2>/dev/null || true
}

find_python() {
    local candidate
    while IFS= read -r candidate; do
        if suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done < <(candidates)
    say "no Python 3.12 or 3.13 (with venv) found: install one (apt install python3.12-venv," \
        "pyenv install 3.12, or uv python install 3.12), or name one: PYTHON=/path/to/python3.12"
    exit 3
}

# Two stamps: what the services need, and what the tests need beside it.
install_packages() { # FILE of requirements
    local stamp=$venv/installed-$1 wanted found
    if ! suits "$python"; then
        found=$(find_python)
        rm -rf -- "$venv"
        say "making .venv with $("$found" --version) ($found)"
        "$found" -m venv "$venv"
    fi
    wanted=$("$python" --version && cksum <"$root/requirements.txt" && cksum <"$root/$1")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    say "installing the packages of $1 (a minute or two the first time)"
    if ! "$python" -m pip install -qq --disable-pip-version-check -r "$root/$1"; then
        say "the packages could not be installed; once the reason above is gone, run this again"
        exit 1
    fi
    printf '%s\n' "$wanted" >"$stamp"
}

write_tokens() {
    local file=$home/.env token
    mkdir -p -- "$home"
    (umask 077 && touch -- "$file")
    chmod 600 -- "$file"
    for token in "${tokens[@]}"; do
        if grep -Eq "^(export )?$token=." "$file"; then continue; fi
        if [ -n "$(tail -c 1 -- "$file")" ]; then echo >>"$file"; fi
        printf '%s=%s\n' "$token" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >>"$file"
        say "wrote a random $token to $file"
    done
}

# It reaches 400 days ahead; the services refresh it nightly, and a month-old one is made again here.
make_session_table() {
    if [ -n "$(find "$table" -mtime -30 2>/dev/null)" ]; then return; fi
    say "making the table of trading sessions"
    (cd -- "$root" && "$python" -m tools.schedule.session_table "$table")
}

set_up() { # FILE of requirements
    install_packages "$1"
    write_tokens
    make_session_table
}

demo() {
    set_up requirements.txt
    exec "$python" "$root/active_trader.py" simulate --synthetic AAPL,MSFT,NVDA --date 2025-11-05 "$@"
}

times=
running=
part() { # NAME COMMAND...
    running=$1
    began=$SECONDS
    shift
    "$@"
    times="${times:+$times, }$running $((SECONDS - began)) s"
    running=
}

report() {
    if [ -z "$times" ]; then return; fi # set-up failed, and said why
    if [ -n "$running" ]; then times="$times, $running FAILED after $((SECONDS - began)) s"; fi
    say "$times"
}

lint() {
    "$python" -m ruff check .
    "$python" -m ruff format --check .
}

run_tests() {
    trap report EXIT
    part setup set_up requirements-dev.txt
    cd -- "$root"
    part conformance sh tests/conformance/setup ||
        say "Alpaca's specs cannot be installed: the tests in tests/conformance will be skipped"
    part lint lint
    part types "$python" -m mypy
    part tests "$python" -m pytest --durations=15 "$@"
}

command=${1:-}
if [ $# -gt 0 ]; then shift; fi
user_mode='' force=''
rest=()
for word in "$@"; do
    case $command/$word in
    demo/* | test/*) rest+=("$word") ;;
    */--user) user_mode=yes ;;
    restart/--force) force=yes ;;
    logs/* | flatten/* | status/* | doctor/*) rest+=("$word") ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done

case $command in
install | uninstall | start | stop | restart | status | logs | flatten | doctor)
    cd -- "$root" # `python -m` reads the program from here
    # shellcheck source=systemd/operate.sh
    . "$root/systemd/operate.sh"
    ;;
esac

case $command in
setup) set_up requirements.txt ;;
demo) demo "${rest[@]}" ;;
test) run_tests "${rest[@]}" ;;
install | uninstall)
    # shellcheck source=systemd/install.sh
    . "$root/systemd/install.sh"
    "${command}_services"
    ;;
start | stop | restart) "${command}_services" ;;
logs) show_logs "${rest[@]}" ;;
status | doctor | flatten) active_trader "$command" "${rest[@]}" ;;
help | -h | --help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
