"""The completion scripts of bash, zsh and fish: each asks ``genlab completion --query``.

A candidate that ends in ``=``, ``.`` or ``/`` is to be continued, so no blank follows it.
"""

from __future__ import annotations

__all__ = ["SCRIPTS"]

# bash breaks words at `=`, so what stands before it must not be inserted again. Older versions (3.2
# on macOS) have neither mapfile nor compopt.
BASH = r"""
_genlab() {
    local line=${COMP_LINE:0:COMP_POINT} candidate prefix=
    local word=${line##*[[:space:]]}
    if [[ $COMP_WORDBREAKS == *=* && $word == *=* ]]; then
        prefix=${word%"${word##*=}"}
    fi
    COMPREPLY=()
    while IFS= read -r candidate; do
        candidate=${candidate#"$prefix"}
        if [[ $candidate == *[[:space:]\'\"\$]* ]]; then
            printf -v candidate %q "$candidate"
        fi
        [[ $candidate == *[=./] ]] || candidate+=' '
        COMPREPLY+=("$candidate")
    done < <(COMP_LINE=$line "${1/#\~/$HOME}" completion --query 2>/dev/null)
}
complete -o nospace -o default -F _genlab genlab
"""

ZSH = r"""
_genlab() {
    local -a found ended
    local missed=1
    local COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX"
    found=("${(@f)$(COMP_LINE=$COMP_LINE ${~words[1]} completion --query 2>/dev/null)}")
    ended=(${found:#*[=./]})
    found=(${(M)found:#*[=./]})
    (( $#found + $#ended )) || { _files; return }
    compadd -S '' -a found && missed=0
    compadd -a ended && missed=0
    return missed
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _genlab genlab
"""

FISH = r"""
function __genlab_candidates
    set -l words (commandline -opc)
    set -lx COMP_LINE (commandline -cp)
    eval $words[1] completion --query 2>/dev/null
end
complete -c genlab -f -a '(__genlab_candidates)'
"""

SCRIPTS = {"bash": BASH, "fish": FISH, "zsh": ZSH}
