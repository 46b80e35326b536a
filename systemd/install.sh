# shellcheck shell=bash
# Sourced by manage_services.sh: install and uninstall.
# shellcheck disable=SC2154 # root, python, user_mode, units, say, fail: the script's

# shellcheck source=systemd/place.sh
. "$root/systemd/place.sh"

credentials=/etc/active-trader/credentials

install_services() {
    local folder mode fresh=
    need_manager
    check_env_file
    set_up_as_owner
    mode=$("$python" -m console.units mode)
    say "mode: $mode"
    if [ "$user_mode" ]; then
        program=$root home=$root
        mkdir -p -- "$root/data" "$root/logs"
    else
        make_users
        choose_place
        make_folders
        check_interpreter
        write_credentials
        if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then add_operator "$SUDO_USER"; fi
    fi
    folder=$(mktemp -d)
    "$python" -m console.units render "$folder" --program "$program" --home "$home" \
        ${libraries:+--libraries "$libraries"} ${user_mode:+--user}
    install_units "$folder"
    rm -rf -- "$folder"
    manager daemon-reload
    mapfile -t fresh < <(present_units)
    manager --quiet enable "${fresh[@]}"
    say "enabled: ${fresh[*]}"
    say "start them with: ./manage_services.sh start${user_mode:+ --user}"
}

# Changes of yours belong into drop-ins (systemctl edit UNIT), which are never touched.
install_units() { # FOLDER
    local file name
    mkdir -p -- "$unit_folder"
    for name in "${all_files[@]}"; do
        file=$1/$name
        if [ ! -f "$file" ]; then
            remove_unit "$name" # of another mode
        elif ! cmp -s -- "$file" "$unit_folder/$name"; then
            install -m 0644 -- "$file" "$unit_folder/$name"
            say "wrote $unit_folder/$name"
        fi
    done
}

remove_unit() { # NAME
    if [ ! -e "$unit_folder/$1" ]; then return; fi
    manager --quiet disable --now "$1" 2>/dev/null || true
    rm -f -- "$unit_folder/$1"
    say "removed $unit_folder/$1"
}

# A key that others can read is no key any more.
check_env_file() {
    local file=$root/.env
    if [ ! -e "$file" ]; then return; fi
    if [ -n "$(find "$file" -perm /077)" ]; then
        fail "$file can be read by other users: chmod 600 $file (and think about new keys)"
    fi
}

# As root the packages of a checkout would become root's.
set_up_as_owner() {
    if [ "$user_mode" ] || [ -z "${SUDO_USER:-}" ]; then
        set_up requirements.txt
    else
        runuser -u "$SUDO_USER" -- "$root/manage_services.sh" setup
    fi
}

write_credentials() {
    local folder
    folder=$(mktemp -d)
    "$python" -m console.units credentials "$folder"
    install -d -m 0755 -- /etc/active-trader
    rm -rf -- "$credentials"
    cp -r -- "$folder" "$credentials"
    rm -rf -- "$folder"
    chown -R root:root -- "$credentials"
    chmod -R u=rwX,go= -- "$credentials"
    say "handed each service its own keys, in $credentials"
}

uninstall_services() {
    local name user
    need_manager
    manager stop "${services[@]}" "$flatten_timer" 'active-trader-flatten@*' 2>/dev/null || true
    for name in "${all_files[@]}"; do remove_unit "$name"; done
    if [ "$user_mode" ]; then # the state's folder has moved with systemd 254
        rm -rf -- "${XDG_CONFIG_HOME:-$HOME/.config}/active-trader-embedded" \
            "${XDG_STATE_HOME:-$HOME/.local/state}/active-trader-embedded" \
            "${XDG_CACHE_HOME:-$HOME/.cache}/alpaca-data"
    else
        bring_folders_back
        rm -rf -- /etc/active-trader "$opt" /var/cache/alpaca-data \
            "/var/lib/systemd/timers/stamp-$flatten_timer" \
            /var/lib/active-trader-embedded /var/lib/private/active-trader-embedded
        for user in "${service_users[@]}"; do
            if getent passwd "$user" >/dev/null; then userdel "$user"; fi
        done
        if getent group "$group" >/dev/null; then groupdel "$group"; fi
    fi
    for name in "${all_files[@]}"; do rm -rf -- "${unit_folder:?}/$name.d"; done
    manager daemon-reload
    manager reset-failed 2>/dev/null || true
    say "uninstalled; data/ and logs/ are in $root"
}
