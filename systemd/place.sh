# shellcheck shell=bash
# Sourced by manage_services.sh: where the services run from, and what they may write.
# shellcheck disable=SC2154 # root, python, say, fail: the script's

group=active-trader
service_users=(alpaca-data alpaca-trade active-trader)
opt=/opt/active-trader
state=/var/lib/active-trader
libraries= # of an interpreter that was copied
code=(active_trader.py agent agent_tools configs console embedded manage_services.sh prompts
    requirements.txt systemd tools)

make_users() {
    local user
    getent group "$group" >/dev/null || { groupadd --system "$group" && say "made the group $group"; }
    for user in "${service_users[@]}"; do
        if getent passwd "$user" >/dev/null; then continue; fi
        useradd --system --gid "$group" --home-dir /nonexistent --no-create-home \
            --shell /usr/sbin/nologin "$user"
        say "made the user $user"
    done
}

# Log and data files are the group's to read: tail, cat and grep need no sudo.
add_operator() { # USER
    if id -nG -- "$1" | tr ' ' '\n' | grep -qx "$group"; then return; fi
    usermod --append --groups "$group" "$1"
    say "put $1 into the group $group, which reads logs/ and data/ (from the next login on)"
}

hidden() { # PATH: the units see neither home directories nor this machine's /tmp
    case $1/ in
    /home/* | /root/* | /tmp/* | /var/tmp/* | /run/user/* | *[!A-Za-z0-9/._-]*) return 0 ;;
    esac
    return 1
}

# As the units run it: without home directories.
try_python() { # USER PYTHON
    systemd-run --quiet --wait --pipe --collect --property=User="$1" --property=ProtectHome=true \
        --property=PrivateTmp=true --setenv=LD_LIBRARY_PATH="$libraries" -- \
        "$2" -c 'import pydantic, sqlite3, ssl' </dev/null
}

usable_in_place() {
    local user
    if hidden "$root" || hidden "$(readlink -f -- "$python")"; then return 1; fi
    for user in "${service_users[@]}"; do
        if ! runuser -u "$user" -- test -r "$root/active_trader.py" ||
            ! try_python "$user" "$python" >/dev/null 2>&1; then return 1; fi
    done
}

# Sets program and home. A checkout that the services can read is used where it is.
choose_place() {
    if usable_in_place; then
        program=$root home=$root
    else
        program=$opt home=$state
        copy_program
    fi
}

copy_program() {
    local base stamp=$opt/installed
    base=$("$python" -c 'import sys; print(sys.base_prefix)')
    say "the services cannot read $root: the program is copied to $opt, data/ and logs/ to $state"
    mkdir -p -- "$opt/new"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$(packages_stamp "$base")" ]; then
        copy_interpreter "$base"
        packages_stamp "$base" >"$stamp"
    fi
    tar -C "$root" --exclude=__pycache__ -cf - "${code[@]}" | tar -C "$opt/new" --no-same-owner -xf -
    local name
    for name in "${code[@]}"; do
        rm -rf -- "${opt:?}/$name"
        mv -- "$opt/new/$name" "$opt/$name"
    done
    rmdir -- "$opt/new"
    if [ -d "$opt/python/lib" ]; then libraries=$opt/python/lib; fi
    "$opt/.venv/bin/python" -m compileall -qq "${code[@]/#/$opt/}" || true # what is missing is compiled in memory
    chmod -R u=rwX,go=rX -- "$opt"
}

packages_stamp() { # BASE
    echo "$1" && cat -- "$venv"/installed-requirements.txt
}

# A virtual environment is a link to its Python; one in a home directory is copied along.
copy_interpreter() { # BASE
    local base=$1 version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    say "copying Python and the packages (some hundred megabytes)"
    rm -rf -- "$opt/.venv" "$opt/python"
    tar -C "$root" -cf - .venv | tar -C "$opt" --no-same-owner -xf -
    if hidden "$base"; then
        mkdir -p -- "$opt/python"
        tar -C "$base" --exclude='*.a' --exclude="lib/$version/test" -cf - bin lib |
            tar -C "$opt/python" --no-same-owner -xf -
        base=$opt/python
    fi
    ln -sfn -- "$base/bin/$version" "$opt/.venv/bin/python"
    sed -i "s#^home = .*#home = $base/bin#" "$opt/.venv/pyvenv.cfg"
}

# What the services write: a file belongs to who made it, and to the group.
make_folders() {
    local name
    for name in data logs; do
        if [ "$home" != "$root" ]; then move_folder "$name"; fi
        mkdir -p -- "$home/$name"
        if [ "$name" = data ]; then mkdir -p -- "$home/data/agent_data"; fi
        chown root:"$group" -- "$home/$name"
        chgrp -R "$group" -- "$home/$name"
        chmod -R g+rwX,o-rwx -- "$home/$name"
        find "$home/$name" -type d -exec chmod g+s {} +
    done
    if [ -f "$root/live-confirmed" ] && [ "$home" != "$root" ]; then
        install -m 0644 -- "$root/live-confirmed" "$home/live-confirmed"
    fi
}

move_folder() { # NAME: the checkout's folder becomes a link to where the services write
    local mine=$root/$1 theirs=$home/$1
    mkdir -p -- "$theirs"
    if [ -L "$mine" ]; then return; fi
    if [ -d "$mine" ]; then
        cp -a -- "$mine/." "$theirs/"
        rm -rf -- "$mine"
    fi
    ln -s -- "$theirs" "$mine"
    chown -h -- "$(stat -c %u:%g "$root")" "$mine"
    say "$mine is now a link to $theirs"
}

bring_folders_back() {
    local name owner
    owner=$(stat -c %u:%g "$root")
    for name in data logs; do
        if [ "$(readlink -- "$root/$name")" = "$state/$name" ]; then
            rm -- "$root/$name"
            cp -a -- "$state/$name" "$root/$name"
        fi
        if [ -d "$root/$name" ]; then chown -R "$owner" -- "$root/$name"; fi
    done
    rm -rf -- "$state"
}

check_interpreter() {
    local user
    for user in "${service_users[@]}"; do
        if try_python "$user" "$program/.venv/bin/python"; then continue; fi
        fail "the user $user cannot run $program/.venv/bin/python (see above): nothing is enabled." \
            "Install a Python outside of home directories, or name one: PYTHON=/usr/bin/python3.12" \
            "./manage_services.sh setup"
    done
}
