/* text: a module with a function that workers can call for tasks. Built outside of drover's tree:
 *
 *     cc -shared -fPIC $(pkg-config --cflags libdrover) -o text.so text.c
 *     DROVER_MODULES=$PWD drover foreach --function text:upper ::: some words
 *
 * On several hosts: drover worker start --modules DIR ..., with the file there on each of them.
 */
#include <ctype.h>
#include <drover_module.h>
#include <stdio.h>
#include <string.h>

static int upper (drover_call_t *call)
{
    size_t len;
    const char *text = drover_call_value (call, 0, &len);
    for (size_t i = 0; i < len; i++) {
        char c = (char)toupper ((unsigned char)text[i]);
        drover_call_result (call, &c, 1);
    }
    return 0;
}

/* Lines, words and bytes of the file that the first value names, as wc prints them. */
static int count (drover_call_t *call)
{
    const char *name = drover_call_text (call, 0);
    unsigned long lines = 0, words = 0, bytes = 0;
    int c, before = ' ';
    char text[100];
    FILE *in = name ? fopen (name, "r") : NULL;
    if (!in)
        return drover_call_fail (call, "text:count: cannot read the file");
    while ((c = getc (in)) != EOF) {
        bytes++;
        lines += c == '\n';
        words += isspace (before) && !isspace (c);
        before = c;
        if (bytes % 65536 == 0 && drover_cancelled (call))
            break;
    }
    fclose (in);
    snprintf (text, sizeof text, "%lu %lu %lu ", lines, words, bytes);
    drover_call_result (call, text, strlen (text));
    drover_call_result (call, name, strlen (name));
    return drover_call_result (call, "\n", 1);
}

static const struct drover_function functions[] = {
    {"upper", upper, "its argument in capital letters"},
    {"count", count, "lines, words and bytes of a file"},
    {NULL, NULL, NULL},
};

DROVER_MODULE (functions)
