/* json_out: what --json prints; see json_out.h. */
#include "client/cli/json_out.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/fields.h"
#include "common/base/buf.h"

#define SCHEMA 1
#define OUTPUT_MAX ((size_t)256 << 20)

/* Every decimal number of so many digits survives as a double: more would show 0.3 as
 * 0.30000000000000004. */
#define REAL_DIGITS 15

json_t *json_new (void)
{
    json_t *object = json_object ();

    json_object_set_new (object, "drover", json_integer (SCHEMA));
    return object;
}

/* A new string of base64; NULL when there is no memory. */
static char *base64 (const unsigned char *in, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = malloc ((len + 2) / 3 * 4 + 1);
    char *to = out;

    if (!out)
        return NULL;
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)in[i] << 16;

        bits |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
        bits |= i + 2 < len ? in[i + 2] : 0;
        *to++ = digit[bits >> 18];
        *to++ = digit[bits >> 12 & 63];
        *to++ = i + 1 < len ? digit[bits >> 6 & 63] : '=';
        *to++ = i + 2 < len ? digit[bits & 63] : '=';
    }
    *to = '\0';
    return out;
}

/* A JSON string, or NULL where the bytes are no text. */
static json_t *json_text (const void *bytes, size_t len)
{
    return json_stringn (len ? bytes : "", len);
}

static json_t *json_base64 (const void *bytes, size_t len)
{
    char *text = base64 (bytes, len);
    json_t *string = text ? json_string (text) : NULL;

    free (text);
    return string;
}

void json_put_bytes (json_t *object, const char *name, const void *bytes, size_t len)
{
    json_t *text = json_text (bytes, len);
    char other[80];

    if (text) {
        json_object_set_new (object, name, text);
        return;
    }
    snprintf (other, sizeof other, "%.60s_base64", name);
    json_object_set_new (object, other, json_base64 (bytes, len));
}

char *json_line (json_t *object, size_t *len)
{
    char *text = json_dumps (object, JSON_COMPACT | JSON_REAL_PRECISION (REAL_DIGITS));
    char *line = NULL;

    json_decref (object);
    if (text) {
        *len = strlen (text);
        line = realloc (text, *len + 2);
        if (!line)
            free (text);
    }
    if (line) {
        line[(*len)++] = '\n';
        line[*len] = '\0';
    }
    return line;
}

void json_print (json_t *object)
{
    size_t len = 0;
    char *line = json_line (object, &len);

    if (line)
        fwrite (line, 1, len, stdout);
    free (line);
}

static int put_output (json_t *object, const char *name, const drover_result_t *r, int stream,
                       drover_error_t *e)
{
    drover_bytes_t piece = {NULL, 0};
    struct buf all;
    int more;

    buf_init (&all, OUTPUT_MAX);
    while ((more = drover_result_piece (r, stream, all.len, &piece, e)) == 1) {
        if (buf_append (&all, piece.ptr, piece.len) < 0) {
            if (e) {
                e->code = DROVER_ETOOBIG;
                snprintf (e->text, sizeof e->text,
                          "task %llu printed more than --json shows (256 MiB)",
                          (unsigned long long)r->row + 1);
            }
            more = -1;
            break;
        }
    }
    if (more == 0)
        json_put_bytes (object, name, all.bytes, all.len);
    buf_fini (&all);
    return more;
}

static void put_number (json_t *object, const char *name, uint64_t value)
{
    json_object_set_new (object, name, json_integer ((json_int_t)value));
}

static void put_seconds (json_t *object, const char *name, uint64_t us)
{
    json_object_set_new (object, name, json_real ((double)us / 1e6));
}

static void put_values (json_t *object, const drover_bytes_t *values, size_t count)
{
    json_t *array;

    if (count == 0)
        return;
    array = json_array ();
    for (size_t i = 0; i < count; i++) {
        json_t *text = json_text (values[i].ptr, values[i].len);

        if (!text)
            text = json_pack ("{s:o*}", "base64", json_base64 (values[i].ptr, values[i].len));
        json_array_append_new (array, text);
    }
    json_object_set_new (object, "values", array);
}

static void put_outcome (json_t *object, const drover_result_t *r)
{
    json_object_set_new (object, "state", json_string (drover_how_name (r->how)));
    put_number (object, "status", (uint64_t)r->status);
    put_number (object, "signal", (uint64_t)r->signal);
    put_number (object, "attempt", r->attempt);
    json_put_bytes (object, "worker", r->worker, strlen (r->worker));
    json_put_bytes (object, "host", r->host, strlen (r->host));
    put_seconds (object, "start", r->start_us);
    put_seconds (object, "wall_s", r->wall_us);
    put_seconds (object, "user_s", r->user_us);
    put_seconds (object, "system_s", r->sys_us);
    put_number (object, "max_rss_kib", r->maxrss_kib);
    if (r->reason[0])
        json_put_bytes (object, "reason", r->reason, strlen (r->reason));
    put_number (object, "stdout_bytes", r->out_bytes);
    put_number (object, "stderr_bytes", r->err_bytes);
}

/* The stages before, the first one first; their stdout is not here any more. */
static int put_before (json_t *array, const drover_result_t *r, drover_error_t *e)
{
    json_t *object;

    if (r->before && put_before (array, r->before, e) < 0)
        return -1;
    object = json_object ();
    json_array_append_new (array, object);
    put_number (object, "stage", r->stage);
    put_outcome (object, r);
    return put_output (object, "stderr", r, 2, e);
}

static int put_stages (json_t *object, const drover_result_t *r, drover_error_t *e)
{
    json_t *array;

    if (r->stage > 0)
        put_number (object, "stage", r->stage);
    if (!r->before)
        return 0;
    array = json_array ();
    json_object_set_new (object, "before", array);
    return put_before (array, r->before, e);
}

json_t *json_of_result (uint64_t batch, const drover_result_t *r, const drover_bytes_t *values,
                        size_t count, drover_error_t *e)
{
    json_t *object = json_new ();

    put_number (object, "batch", batch);
    put_number (object, "task", r->row + 1);
    put_values (object, values, count);
    put_outcome (object, r);
    if (put_output (object, "stdout", r, 1, e) < 0 || put_output (object, "stderr", r, 2, e) < 0 ||
        put_stages (object, r, e) < 0) {
        json_decref (object);
        return NULL;
    }
    return object;
}

/* Digits only, few enough for JSON's integers? */
static bool is_number (drover_bytes_t v)
{
    const char *text = v.ptr;

    for (size_t i = 0; i < v.len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return v.len > 0 && v.len < 19;
}

static uint64_t number_of (drover_bytes_t v)
{
    uint64_t n = 0;

    for (size_t i = 0; i < v.len; i++)
        n = n * 10 + (uint64_t)(((const char *)v.ptr)[i] - '0');
    return n;
}

static void put_plain (json_t *object, const char *name, drover_bytes_t v)
{
    if (v.len == 0)
        json_object_set_new (object, name, json_null ());
    else if (is_number (v))
        put_number (object, name, number_of (v));
    else
        json_put_bytes (object, name, v.ptr, v.len);
}

static void put_field (json_t *object, const struct field *f, drover_bytes_t v)
{
    bool number = is_number (v);

    if (f->kind == FIELD_TEXT || (f->kind == FIELD_REASON && v.len > 0))
        json_put_bytes (object, f->name, v.ptr, v.len);
    else if (f->kind == FIELD_ROW && number)
        put_number (object, f->name, number_of (v) + 1);
    else if (f->kind == FIELD_BOOL && number)
        json_object_set_new (object, f->name, json_boolean (number_of (v) != 0));
    else if ((f->kind == FIELD_SECONDS || f->kind == FIELD_MOMENT) && number)
        put_seconds (object, f->name, number_of (v));
    else if (f->kind != FIELD_REASON)
        put_plain (object, f->name, v);
}

json_t *json_of_record (const drover_pair_t *pairs, size_t count)
{
    json_t *object = json_new ();

    for (size_t i = 0; i < count; i++) {
        const struct field *f = field_find (pairs[i].name);
        char name[64];

        snprintf (name, sizeof name, "%.*s", (int)pairs[i].name.len,
                  pairs[i].name.len ? (const char *)pairs[i].name.ptr : "");
        if (f)
            put_field (object, f, pairs[i].value);
        else
            put_plain (object, name, pairs[i].value);
    }
    return object;
}
