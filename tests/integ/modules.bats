#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031 # $ is for the task; each case is a shell of its own
# Modules: C functions that workers load, and what becomes of those that misbehave.
load lib

header=${top_srcdir:-$BATS_TEST_DIRNAME/../..}/worker
examples=${top_srcdir:-$BATS_TEST_DIRNAME/../..}/examples

setup() {
    drover_setup
    need cc
    mkdir "$T/modules"
    export DROVER_MODULES=$T/modules
}

# module NAME: compiled from stdin.
module() {
    cc -Wall -Wextra -Werror -shared -fPIC -I"$header" -o "$T/modules/$1.so" -x c -
}

example() {
    cc -Wall -Wextra -Werror -shared -fPIC -I"$header" -o "$T/modules/text.so" "$examples/text.c"
}

@test "the example is built from its file and one header, listed, and called" {
    example
    ends_with 0 drover module list --local
    same "$(grep '^text:' "$T/out")" "text:upper	its argument in capital letters
text:count	lines, words and bytes of a file"
    ends_with 0 drover foreach -k --function text:upper ::: one 'two words' ''
    same "$(cat "$T/out")" "ONETWO WORDS"
    printf 'a b\nc\n' >file
    ends_with 0 drover run --function text:count file
    same "$(cat "$T/out")" "2 3 6 file"
    ends_with 1 drover run --function text:count nowhere
    says "$T/err" "text:count: cannot read the file"
}

@test "workers of a broker tell what they have" {
    example
    start_broker
    use_broker
    start_worker --slots 2
    start_worker --slots 3 --modules "$T/modules"
    two() { [ "$(drover worker list | grep -c ready)" = 2 ]; }
    wait_until two
    ends_with 0 drover module list
    same "$(tr -s ' ' <"$T/out" | sed 's/ *$//' | grep text:upper)" "text:upper 2 5"
    ends_with 0 drover module list --json
    [ "$(grep -c '"text:upper"' "$T/out")" = 1 ]
    refused 2 "drover module list" drover module lists
}

@test "a function that crashes, exits, fails or does not end costs its one row" {
    module bad <<'C'
#include <drover_module.h>
#include <stdlib.h>
#include <string.h>
static volatile int zero, sink;
static int deep (int n)
{
    volatile char a[4096];
    a[0] = (char)n;
    return n > zero ? deep (n + 1) + a[0] : 0;
}
static int act (drover_call_t *call)
{
    const char *how = drover_call_text (call, 0);
    if (!strcmp (how, "segv"))
        *(volatile int *)(long)(zero + 8) = 1;
    if (!strcmp (how, "abort"))
        abort ();
    if (!strncmp (how, "exit", 4))
        _Exit (atoi (how + 4));
    if (!strcmp (how, "deep"))
        sink = deep (1);
    while (!strcmp (how, "loop"))
        sink++;
    if (!strcmp (how, "fail"))
        return drover_call_fail (call, "as it was told");
    if (!strcmp (how, "code77"))
        return 77;
    if (!strcmp (how, "code256"))
        return 256;
    drover_call_message (call, "fine\n", 5);
    return drover_call_result (call, how, strlen (how));
}
static const struct drover_function functions[] = {{"act", act, 0}, {0, 0, 0}};
DROVER_MODULE (functions)
C
    local wanted="1 0 ok
2 139 killed by SIGSEGV in function bad:act
3 134 killed by SIGABRT in function bad:act
4 0 function bad:act ended its process with status 0
5 3 function bad:act ended its process with status 3
6 139 killed by SIGSEGV in function bad:act
7 1 as it was told
8 77
9 255
10 0 ok"
    ends_with 8 drover foreach -j 2 -k --json --function bad:act ::: ok segv abort exit0 exit3 deep fail code77 code256 ok
    same "$(/usr/bin/python3 -c '
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    if "task" in r:
        status = 128 + r["signal"] if r.get("signal") else r["status"]
        print(r["task"], status, r.get("reason") or r.get("stdout") or "")' <"$T/out" | sed 's/ $//')" "$wanted"
    ends_with 1 drover foreach --timeout 1 -k --function bad:act ::: a loop b
    same "$(cat "$T/out")" ab
    says "$T/err" "time limit"
    { seq 5000; yes segv | head -20; seq 5000; } >items
    ends_with 20 drover foreach -j 4 --function bad:act <items
    same "$(tr -d '0-9' <"$T/out" | wc -c)" 0
    same "$(wc -c <"$T/out")" "$(seq 5000 | tr -d '\n' | wc -c | awk '{print 2 * $1}')"
}

@test "what a function does to its process costs no other row" {
    local how n=0 rude='fork fork-exit thread thread-exit close write block page masks chdir limits jump atexit exec'
    cc -Wall -Wextra -Werror -shared -fPIC -I"$header" -o "$T/modules/rude.so" -pthread "${BATS_TEST_FILENAME%/*}/rude.c"
    for how in $rude nonsense; do
        seq -f "good:$((++n))-%g" 25
        echo "$how:"
    done >items
    drover foreach -j 2 --timeout 5 --json --function rude:act <items >"$T/out" || true
    /usr/bin/python3 - items "$T/out" <<'END'
import json, sys
items, seen = open(sys.argv[1]).read().split(), set()
other = {"thread-exit:": "function rude:act ended its process with status 5",
         "exec:": "function rude:act ended its process with status 0",
         "nonsense:": "rude:act?does not know?that"}
damaged = "function rude:act damaged what its executor works with"
spoils = {"write:": damaged, "page:": damaged, "close:": damaged}
for line in open(sys.argv[2]):
    r = json.loads(line)
    if "task" in r:
        item = items[r["task"] - 1]
        assert r["task"] not in seen, line
        seen.add(r["task"])
        if item in spoils and r["state"] == "failed": # unless its outcome left first
            assert r["reason"] == spoils[item], line
            continue
        assert r.get("reason") == other.get(item), line
        assert r["stdout"] == ("" if item in other else item), line
assert len(seen) == len(items), seen
END
    start_broker
    use_broker
    start_worker --slots 1
    wait_until drover run --function rude:cwd
    same "$(drover run --function rude:cwd)" "$PWD"
    drover run --function rude:act chdir:
    same "$(drover run --function rude:cwd)" "$PWD"
}

@test "a module that is built again is the one that is called from then on" {
    version() {
        module "$1" <<C
#include <drover_module.h>
static int version (drover_call_t *call)
{
    return drover_call_result (call, "$2", 1);
}
static const struct drover_function functions[] = {{"version", version, NULL}, {NULL, NULL, NULL}};
DROVER_MODULE (functions)
C
    }
    called() {
        ends_with 0 drover foreach --function v:version ::: 1 2 3 4 5 6 7 8
        same "$(cat "$T/out")" "$1"
    }
    version v 1
    start_broker
    use_broker
    start_worker --slots 2
    called 11111111
    version w 2
    mv "$T/modules/w.so" "$T/modules/v.so"
    called 22222222
    called 22222222
    version w 3
    cat "$T/modules/w.so" >"$T/modules/v.so"
    called 33333333
    same "$(grep -c warn "$T/log/worker.1")" 0
}

@test "a function tells its progress, what it took, and its process is replaced when it has grown" {
    module work <<'C'
#include <drover_module.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static int tell (drover_call_t *call)
{
    drover_call_progress (call, 3, 10);
    while (access (drover_call_text (call, 0), F_OK))
        usleep (1000);
    return 0;
}
static volatile unsigned long sink;
static int burn (drover_call_t *call)
{
    clock_t end = clock () + CLOCKS_PER_SEC / 20;
    while (clock () < end)
        sink += drover_call_count (call);
    return 0;
}
static int leak (drover_call_t *call)
{
    char text[20];
    char *more = malloc (4 << 20);
    memset (more, 1, 4 << 20);
    snprintf (text, sizeof text, "%d ", (int)getpid ());
    usleep (120000);
    return drover_call_result (call, text, strlen (text));
}
static const struct drover_function functions[] = {{"tell", tell, 0}, {"burn", burn, 0}, {"leak", leak, 0}, {0, 0, 0}};
DROVER_MODULE (functions)
C
    local id
    start_broker
    use_broker
    start_worker --slots 1 --recycle calls=100,memory=6M,files=0
    id=$(drover submit --function work:tell ::: "$T/go")
    told() { drover info --json "$id.1" | grep -q '"progress":3,"progress_total":10'; }
    wait_until told
    drover info "$id.1" >"$T/out"
    grep -q 'progress_total *10' "$T/out"
    touch "$T/go"
    ends_with 0 drover wait "$id"
    drover info --json "$id.1" >"$T/out"
    ! grep -q progress "$T/out" || false
    drover foreach --json --function work:burn ::: x >"$T/out"
    /usr/bin/python3 -c 'import json, sys
r = json.loads(open(sys.argv[1]).readline())
assert 0.03 < r["user_s"] + r["system_s"] < 1 and r["max_rss_kib"] > 500, r' "$T/out"
    drover foreach --function work:leak ::: 1 2 3 4 5 6 >"$T/out"
    [ "$(wc -w <"$T/out")" -eq 6 ]
    [ "$(tr ' ' '\n' <"$T/out" | grep . | sort -u | wc -l)" -ge 2 ]
    refused 2 "give calls=N" drover-worker --recycle call=1
}

@test "a cancelled function that looks may end by itself, one that does not is killed" {
    module slow <<'C'
#include <drover_module.h>
#include <stdio.h>
#include <unistd.h>
static int looks (drover_call_t *call)
{
    drover_cancelled (call); /* is known as one that does from now on */
    fclose (fopen (drover_call_text (call, 0), "w"));
    while (!drover_cancelled (call))
        usleep (1000);
    fclose (fopen (drover_call_text (call, 1), "w"));
    return 1;
}
static int deaf (drover_call_t *call)
{
    fclose (fopen (drover_call_text (call, 0), "w"));
    while (drover_call_count (call))
        usleep (1000);
    return 0;
}
static const struct drover_function functions[] = {{"looks", looks, 0}, {"deaf", deaf, 0}, {0, 0, 0}};
DROVER_MODULE (functions)
C
    local id name
    start_broker
    use_broker
    start_worker --slots 2
    for name in looks deaf; do
        id=$(drover submit --function "slow:$name" -n 2 ::: "$T/$name" "$T/$name.end")
        wait_until test -e "$T/$name"
        drover cancel "$id"
        ends_with 1 drover wait "$id"
        [ "$(drover results --json "$id" | grep -c '"cancelled"')" = 1 ]
    done
    [ -e "$T/looks.end" ]
    [ ! -e "$T/deaf.end" ]
}

@test "large results leave in pieces, and nothing is missing" {
    module big <<'C'
#include <drover_module.h>
#include <string.h>
static int fill (drover_call_t *call)
{
    char line[1001];
    for (int i = 0; i < 20000; i++) {
        memset (line, 'a' + i % 26, sizeof line);
        line[1000] = '\n';
        if (drover_call_result (call, line, sizeof line))
            return 1;
    }
    return 0;
}
static const struct drover_function functions[] = {{"fill", fill, 0}, {0, 0, 0}};
DROVER_MODULE (functions)
C
    ends_with 0 drover foreach -k --function big:fill ::: 1 2
    awk 'BEGIN { for (k = 0; k < 2; k++) for (i = 0; i < 20000; i++) { c = sprintf ("%c", 97 + i % 26); if (!(c in l)) { l[c] = c; while (length (l[c]) < 1000) l[c] = l[c] c } print l[c] } }' |
        same_files "$T/out" -
}

@test "what is no module, or open to others, is left out in words" {
    example
    echo text >"$T/modules/readme.so"
    module old <<'C'
struct { unsigned abi; const void *functions; } drover_module = {99, 0};
C
    module none <<'C'
int drover_something;
C
    module crash <<'C'
__attribute__ ((constructor)) static void at_load (void) { __builtin_trap (); }
C
    cp "$T/modules/text.so" "$T/modules/open.so"
    chmod go+w "$T/modules/open.so"
    ends_with 0 drover module list --local
    same "$(cut -f1 "$T/out" | paste -sd ' ')" "drover:echo drover:sleep text:upper text:count"
    says "$T/err" "modules/old.so was made for interface 99"
    says "$T/err" "modules/none.so is no module"
    says "$T/err" "modules/crash.so: it crashes while it is loaded"
    says "$T/err" "others may write to $T/modules/open.so: chmod go-w"
    says "$T/err" "cannot load $T/modules/readme.so"
    same "$(wc -l <"$T/err")" 5
    drover-worker --private --sweep >"$T/out" 2>&1 # it has no use for them, and does not look
    same "$(grep -c "$T/modules" "$T/out")" 0
    chmod go+w "$T/modules"
    refused 2 "others may write to $T/modules: chmod go-w" drover-worker --list-functions
    refused 2 "No such file" drover-worker --modules "$T/nowhere"
    chmod go-w "$T/modules"
    refused 127 "no worker" drover run --function text:nothing || true
}
