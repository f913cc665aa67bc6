# Shared by the scripts in tests/check/. Each checks one rule of the house, prints what breaks it as
# "file:line: words", and ends with status 1 if anything was printed through wrong().
# shellcheck shell=bash

set -u
export top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
export build=${top_builddir:-$top/build}
cd "$top" || exit 2
wrongs=0

# wrong TEXT: one thing that breaks the rule.
wrong() {
    printf '%s\n' "$1"
    wrongs=$((wrongs + 1))
}

# sources DIR...: the C files below, sorted, by their names from the root.
sources() {
    local dir
    for dir in "$@"; do
        [ ! -d "$dir" ] || find "$dir" -name '*.[ch]'
    done | LC_ALL=C sort
}

# code FILE...: "file:line:text" of each line, with comments, strings and characters blanked out.
code() {
    awk '
    FNR == 1 { inside = 0 }
    {
        out = ""
        n = length ($0)
        for (i = 1; i <= n; i++) {
            two = substr ($0, i, 2)
            c = substr (two, 1, 1)
            if (inside) {
                if (two == "*/") { inside = 0; i++ }
            } else if (two == "/*") {
                inside = 1; i++
            } else if (two == "//") {
                break
            } else if (c == "\"" || c == "'\''") {
                for (i++; i <= n && substr ($0, i, 1) != c; i++)
                    if (substr ($0, i, 1) == "\\") i++
                out = out c c
            } else {
                out = out c
            }
        }
        if (out ~ /[^ \t]/)
            print FILENAME ":" FNR ":" out
    }' "$@" /dev/null
}

# verdict RULE: the end of each script.
verdict() {
    [ "$wrongs" -ne 0 ] || exit 0
    printf '%d against the rule: %s\n' "$wrongs" "$1"
    exit 1
}
