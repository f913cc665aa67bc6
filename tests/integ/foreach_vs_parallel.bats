#!/usr/bin/env bats
# What drover foreach makes of a command line, against what GNU Parallel makes of it.
#
# Both print their jobs with --dry-run; drover quotes as GNU Parallel does, so mostly the text is
# equal. Where it is not, the words that a shell makes of it must be. Places where drover means to
# differ are in the unit tests: -I beside {1}, {-3} of two values, -n beside a{}b, -q with blanks
# and -N, newlines in the words behind :::, ragged rows under a header.

load lib

setup() {
    drover_setup
    need parallel
    printf '1 x\n2\n\n' >f1
    printf 'u/v.w\n.rc\n' >f2
    : >empty
    printf 'n;m\na;b\nc;d\n' >table
}

# evaluated FILE: the words of each job in it, through a shell. The command of these tests is "w".
evaluated() {
    { printf '%s\n' 'w() { printf "<%s>" "$@"; echo; }'; cat "$1"; } | sh
}

# as_parallel [ARGUMENT]...: the same jobs from both, with the same stdin (the file "in", if any).
as_parallel() {
    [ -e in ] || : >in
    parallel --will-cite --dry-run -kj1 "$@" <in >"$T/wanted" 2>"$T/said" || cat "$T/said"
    drover foreach --dry-run -kj1 "$@" <in >"$T/got" || return 1
    cmp -s "$T/got" "$T/wanted" && return 0
    evaluated "$T/got" >"$T/got.words"
    evaluated "$T/wanted" >"$T/wanted.words"
    same_files "$T/got.words" "$T/wanted.words" || {
        printf 'for: %q ' "$@"
        return 1
    }
}

@test "sources are combined and linked alike" {
    as_parallel w ::: a b ::: 1 2 ::: x y
    as_parallel -a f1 -a f2 w {1} {2}
    as_parallel -a f1 w ::: x y :::: f2
    as_parallel w ::: a b :::: f1 f2
    as_parallel w ::: a b c :::+ 1 2 ::: x y ::::+ f2
    as_parallel --link w ::: a b c ::: 1 2 ::: z
    as_parallel --xapply -a f1 w ::: a b c d e
}

@test "empty sources and no jobs at all are alike" {
    as_parallel w
    as_parallel w ::: a b :::: empty
    as_parallel w :::: empty ::: a b
    as_parallel w ::: :::: empty
    as_parallel w ::: a b :::+
    as_parallel w ::: ::: ''
}

@test "lines and other delimiters are cut alike" {
    printf 'a b\n\n c\t\nit'\''s "q" $x\\\n\r\nlast' >in
    as_parallel w {}
    as_parallel -r w
    as_parallel --trim rl w
    as_parallel --trim l -E c w
    printf 'a,,b c,\n' >in
    as_parallel -d , w
    printf 'aXYbXY' >in
    as_parallel -d XY w
    printf 'a\nb\0c d\0' >in
    as_parallel -0 w
    as_parallel -d , w ::: a, b,c ''
}

@test "replacement strings give the same parts" {
    local all='w {} {.} {/} {//} {/.} {#} {%} {1} {2} {-1} {1.} {2/} {2//} {-1/.} {3} x{}y {a}'
    as_parallel "$all" ::: a.b/c.d.e .rc d/.rc a. /x / u//v u/v/ .. . '' ::: 'p q/r.s'
    as_parallel w x{#}y ::: a b
    as_parallel w {2} ::: a b ::: 1 2
    as_parallel w '{}' '{.' '{}}' '{{}}' '{1' ::: a.b
    as_parallel -I ,, w ,, {.} {} x,,y ::: a.b 'c d'
}

@test "columns and names are found alike" {
    as_parallel -C , w {1} {3} {} ::: a,b ' c , d ,e' ,f g,, ''
    as_parallel -C '\s+' w {2} ::: 'a b	c'
    as_parallel -C '[,;]|x+' w ::: 'a,b;cxxd'
    as_parallel -C '\|' --trim n w ::: 'a |b'
    as_parallel -C , w {3} ::: a,b c,d ::: 1,2 3,4
    as_parallel -C ';' --header : -a table w {m} {n} {n/} {1}
    as_parallel --header : w {b} {a.} {c} ::: a x.y z ::: b 1 2
    as_parallel --header : w {p} {q} ::: 'p	q' 'x	y'
}

@test "values are quoted for the shell alike" {
    as_parallel w ::: "it's" '"' '$x' '`id`' '~' 'a=b' '#' '\' '*' '' ' ' '-n' "a'" '!' '{a,b}' 'x;y' '>'
    as_parallel "w; w a{}b '\$x'" ::: 'p q' "'"
    as_parallel {} ::: 'w a b' 'w "c d"'
    as_parallel '{} z' ::: 'w a b'
    as_parallel ::: 'w a b' 'w "c d"'
    as_parallel -q w 'a b' '$x;' '' "it's {}" ::: 'p q'
    as_parallel V={} w ::: 'a b'
}

@test "several values make a job alike" {
    as_parallel -N2 w a{}b {1}x {2} z{#} ::: 1 '2 3' 4
    as_parallel -N3 w {.}{/} x{1/} y ::: d/1.x d/2.y d/3.z d/4
    as_parallel -N2 w {} x{}y ::: 1 2 ::: 3 4
    as_parallel -N2 -C , w {3} {1} ::: 1,2 3,4 5,6
    as_parallel -n2 w {} ::: 1 '2 3' 4
    as_parallel -n3 w {2} ::: 1 2 3 4
    as_parallel -N0 w {} {1} {#} x{}y ::: 1 2
    as_parallel -n0 w ::: 1 2
    as_parallel --max-replace-args 2 w ::: 1 2 3
}

@test "bytes that are no text travel alike" {
    printf 'a\303\251\n\377\376 x\n\001\177\n' >in
    as_parallel w {} {.}
}

@test "what GNU Parallel refuses is refused too" {
    local arguments
    for arguments in '-j x w ::: a' '--no-such-option w' 'w :::: /nonexistent' '-a /nonexistent w'; do
        # shellcheck disable=SC2086  # words
        refused 255 '' drover foreach --dry-run $arguments
        # shellcheck disable=SC2086
        ends_with 255 parallel --will-cite --dry-run $arguments </dev/null
    done
}
