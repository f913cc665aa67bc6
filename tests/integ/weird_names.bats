#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Values travel byte for byte: as file names, as arguments, as input of functions, over any way.
load lib

# Every kind of name that has ever broken a script, separated by NUL, as files in names/.
make_names() {
    local name
    mkdir names && cd names || return
    for name in 'a b' ' lead' 'trail ' "it's" 'say "x"' '$HOME' '`id`' '\back' $'new\nline' \
        $'tab\there' $'\377\376' $'mixed\303\244\303' '-n' '--help' '*' '?' '~' '#no' 'a;b' 'a&b' \
        'a|b' '(x)' '<in>' '{}' '{1}' $'\001\033[31m' 'ünï' '!' '%s' '=' 'a=b' ':::'; do
        printf 'content of %s' "$name" >"./$name"
        printf '%s\0' "$name"
    done >../list
}

@test "names are quoted so that the shell gives them back" {
    make_names
    ends_with 0 drover foreach -0 -k "printf '%s\\0' {}" <../list
    same_files "$T/out" ../list
}

@test "names reach a program without a shell in between" {
    make_names
    ends_with 0 drover foreach -0 -k cat -- {} <../list
    xargs -0 -n 1 cat -- <../list >"$T/wanted"
    same_files "$T/out" "$T/wanted"
}

@test "names are arguments of run" {
    make_names
    local names=()
    mapfile -d '' names <../list
    ends_with 0 drover run -- printf '%s\0' "${names[@]}"
    same_files "$T/out" ../list
}

@test "values of functions are bytes" {
    make_names
    ends_with 0 drover foreach -0 -k --function drover:echo <../list
    tr -d '\0' <../list >"$T/wanted"
    same_files "$T/out" "$T/wanted"
}

@test "names travel over a shared broker, detached" {
    make_names
    start_broker --listen tcp://127.0.0.1:0 --insecure
    use_broker
    start_worker
    drover submit -0 "printf '%s\\0' {}" <../list >"$T/id"
    ends_with 0 drover results -k --follow "$(cat "$T/id")"
    same_files "$T/out" ../list
}

@test "an empty value is an empty word" {
    printf 'a\n\nb\n' | ends_with 0 drover foreach -k "printf '<%s>' {}"
    same "$(cat "$T/out")" "<a><><b>"
}

@test "messages show control characters escaped" {
    ends_with 255 drover foreach -a $'no\033[31m\nfile' echo
    same "$(wc -l <"$T/err")" 1
    if grep -q $'\033' "$T/err"; then
        return 1
    fi
}
