/* say: messages of the command line; see say.h. */
#include "client/cli/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define LINE_MAX_BYTES 4000
#define VALUES_MAX_BYTES 100

/* One byte as it is shown; returns how many bytes that are (at most 4). */
static size_t escape_byte (char *out, unsigned char byte)
{
    if (byte == '\n' || byte == '\t' || byte == '\r') {
        out[0] = '\\';
        out[1] = byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r';
        return 2;
    }
    if (byte < 0x20 || byte == 0x7f) {
        out[0] = '\\';
        out[1] = 'x';
        out[2] = "0123456789abcdef"[byte >> 4];
        out[3] = "0123456789abcdef"[byte & 15];
        return 4;
    }
    out[0] = (char)byte;
    return 1;
}

size_t say_escape (char *out, size_t size, const void *bytes, size_t len)
{
    const unsigned char *byte = bytes;
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        if (at + 4 + 4 > size) { /* a byte, then "..." and the end */
            at += (size_t)snprintf (out + at, size - at, "...");
            break;
        }
        at += escape_byte (out + at, byte[i]);
    }
    if (at < size)
        out[at] = '\0';
    return at;
}

void say_values (struct line *l, const drover_bytes_t *values, size_t count)
{
    char text[VALUES_MAX_BYTES + 1];
    size_t len = 0;

    for (size_t i = 0; i < count && len + 10 < sizeof text; i++) {
        if (i > 0)
            text[len++] = ' ';
        len += say_escape (text + len, sizeof text - len, values[i].ptr, values[i].len);
    }
    if (len > 0)
        line_put (l, " (%.*s)", (int)len, text);
}

static void say_line (const char *command, const char *text, const char *hint)
{
    char shown[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES + 200];
    int len;

    say_escape (shown, sizeof shown, text, strlen (text));
    len = snprintf (line, sizeof line, "drover%s%.40s: %s%s\n", command ? " " : "",
                    command ? command : "", shown, hint);
    if (len > 0 && write (STDERR_FILENO, line, (size_t)len) < 0) {
        /* nobody reads: there is nobody to tell */
    }
}

void say (const char *command, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    int saved = errno;
    va_list ap;

    va_start (ap, fmt);
    vsnprintf (text, sizeof text, fmt, ap);
    va_end (ap);
    say_line (command, text, "");
    errno = saved;
}

int say_usage (const char *command, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    char hint[80];
    va_list ap;

    va_start (ap, fmt);
    vsnprintf (text, sizeof text, fmt, ap);
    va_end (ap);
    snprintf (hint, sizeof hint, " (drover help%s%.40s)", command ? " " : "",
              command ? command : "");
    say_line (command, text, hint);
    return STATUS_USAGE;
}
