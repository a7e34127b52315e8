"""The completion scripts for bash, zsh and fish.

All three hand the line up to the cursor to webraid, which answers with a line for each word that fits: the word, a tab,
what it is.  Nothing that fits: file names.
"""

from __future__ import annotations

BASH = r"""# webraid's completion for bash; made by 'webraid completion bash'
_webraid_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n' answer word typed head
    COMPREPLY=()
    typed="${line##*[[:space:]]}"
    head=""
    # bash takes ':' and '=' for the end of a word: what stands before them is there already
    if [[ $typed == -*=* ]]; then
        typed="${typed#*=}"
    fi
    if [[ $typed == *:* && $COMP_WORDBREAKS == *:* ]]; then
        head="${typed%"${typed##*:}"}"
    fi
    for answer in $(_WEBRAID_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
                    _TYPER_COMPLETE_ARGS="$line" "$1" 2>/dev/null); do
        word="${answer%%$'\t'*}"
        word="${word#"$head"}"
        if [[ $word == *[^A-Za-z0-9_./:=@%+,-]* ]]; then
            printf -v word %q "$word"
        fi
        COMPREPLY+=("$word")
    done
}

complete -o default -F _webraid_completion webraid
"""

ZSH = r"""#compdef webraid
# webraid's completion for zsh; made by 'webraid completion zsh'
_webraid() {
    local answer word
    local -a found
    for answer in "${(@f)$(_WEBRAID_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
                           _TYPER_COMPLETE_ARGS="${(j: :)words[1,CURRENT]}" ${words[1]} 2>/dev/null)}"; do
        [[ -n $answer ]] || continue
        word="${answer%%$'\t'*}"
        if [[ $answer == *$'\t'* ]]; then
            found+=("${word//:/\\:}:${answer#*$'\t'}")
        else
            found+=("${word//:/\\:}")
        fi
    done
    if (( ! $#found )); then
        _files
        return
    fi
    [[ $PREFIX == -*=* ]] && compset -P '*='
    _describe -V 'webraid' found
}

if [[ ${funcstack[1]} == _webraid ]]; then
    _webraid "$@"
else
    compdef _webraid webraid
fi
"""

FISH = r"""# webraid's completion for fish; made by 'webraid completion fish'
function __webraid_complete
    set -l typed (commandline -ct)
    set -l head (string match -r -- '^-[^=]*=' $typed)
    set -lx _WEBRAID_COMPLETE complete_fish
    set -lx _TYPER_COMPLETE_FISH_ACTION get-args
    set -lx _TYPER_COMPLETE_ARGS (commandline -cp)
    set -l found (webraid 2>/dev/null | string match -r -- '.+')
    if test (count $found) -eq 0
        __fish_complete_path $typed
        return
    end
    for answer in $found
        echo "$head$answer"
    end
end

complete --command webraid --no-files --keep-order --arguments '(__webraid_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
