# Sourced by scripts/genlab and scripts/test: the virtual environment of this checkout.
#
#     locate NAME            sets $venv (GENLAB_VENV, or .venv in the checkout)
#     is_current             whether what NAME stands for is installed in it
#     install NAME EXTRAS    installs it, with the versions of scripts/constraints.txt
#
# The stamp of an installation holds the checkout's path and the two files that it depends on, so
# `is_current` starts no process. It is written last: what was interrupted is made anew.

fail() {
    printf 'genlab: %s\n' "$1" >&2
    exit 1
}

locate() {
    venv=${GENLAB_VENV:-$root/.venv}
    [[ $venv == /* ]] || venv=$PWD/$venv
    stamp=$venv/genlab-$1.stamp
    local constraints project
    read_whole constraints "$root/scripts/constraints.txt"
    read_whole project "$root/pyproject.toml"
    wanted="$root"$'\n'"$constraints$project"
}

read_whole() {
    # Fails at the end of the file, having read it.
    IFS= read -r -d '' "$1" <"$2" || true
}

is_current() {
    local found
    [[ -x $venv/bin/python && -f $stamp ]] || return
    read_whole found "$stamp"
    [[ $found == "$wanted" ]]
}

install() {
    local python quiet=()
    python=$(find_python)
    mkdir -p "${venv%/*}" && [[ -w ${venv%/*} ]] || fail "$venv: the folder cannot be written"
    exec 9>"$venv.lock"
    lock "$python"
    if is_current; then
        exec 9>&-
        return
    fi
    printf 'genlab: setting up %s (some minutes at the first time)\n' "$venv" >&2
    [[ -t 2 ]] || quiet=(-qq)
    make_venv "$python"
    rm -f "$venv"/genlab-*.stamp
    "$venv/bin/python" -P -m pip install ${quiet[@]+"${quiet[@]}"} --disable-pip-version-check \
        --constraint "$root/scripts/constraints.txt" --editable "$root$2" >&2 ||
        fail "the installation failed, see above; the next start tries again"
    write_stamp "$venv/genlab-core.stamp"
    write_stamp "$stamp"
    printf 'genlab: ready after %d s\n' "$SECONDS" >&2
    exec 9>&-
}

lock() {
    # The lock is the open file's, held until it is closed; macOS has no flock command.
    "$1" -P -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("genlab: another start is setting up the environment; waiting", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
'
}

make_venv() {
    # One that was finished for this checkout is brought up to date; one that was not is made anew.
    # An environment that the user made is used, and never removed.
    local found=
    if [[ -f $venv/genlab-core.stamp ]]; then
        read_whole found "$venv/genlab-core.stamp"
    fi
    if [[ -f $venv/genlab.made && (${found%%$'\n'*} != "$root" || ! -x $venv/bin/python) ]]; then
        rm -rf "$venv"
    elif [[ -f $venv/pyvenv.cfg ]]; then
        return
    elif [[ -e $venv && -n $(ls -A "$venv") ]]; then
        fail "$venv: neither empty nor a virtual environment; move it away"
    fi
    mkdir -p "$venv"
    touch "$venv/genlab.made"
    "$1" -P -m venv "$venv" || fail "$1 -m venv failed, see above"
}

find_python() {
    local candidate lacking=
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        "$candidate" -P -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$candidate" -P -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        lacking=$candidate
    done
    [[ -z $lacking ]] || fail "$lacking cannot make virtual environments; install python3-venv"
    fail "Python 3.11 or newer is needed, and none was found as python3, python3.11 ... python3.14"
}

write_stamp() {
    printf '%s' "$wanted" >"$1.new"
    mv "$1.new" "$1"
}
