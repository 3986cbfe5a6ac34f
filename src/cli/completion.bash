# Completion for bash 3.2 and later: eval "$(kilde complete bash)"
# It needs no other package, may be sourced repeatedly, and evaluates nothing that was typed.

__kilde_complete() {
    local line=${COMP_LINE:0:COMP_POINT} current output entry rest directive=0
    local -a words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    output=$(kilde complete -- "${words[@]:1}" 2> /dev/null) || return 0

    # The last line is a colon and a sum: 1 stands for a failure, 2 for no space after the completion.
    if [[ $output == *:* ]]; then
        directive=${output##*:}
        output=${output%:*}
    fi
    [[ $directive == [0-9] ]] || directive=0
    (( directive & 1 )) && return 0
    (( directive & 2 )) && type compopt > /dev/null 2>&1 && compopt -o nospace

    # Bash replaces only the part of the word after its last colon or equals sign.
    rest=${current##*[:=]}
    COMPREPLY=()
    while IFS= read -r entry; do
        entry=${entry%%$'\t'*}
        if [[ -n $entry && $entry == "$current"* ]]; then
            COMPREPLY+=("${entry:${#current}-${#rest}}")
        fi
    done <<< "$output"
    return 0
}

# Where there is nothing else to complete, bash completes names of files.
complete -o bashdefault -o default -F __kilde_complete kilde
