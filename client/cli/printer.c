/* printer: the output of tasks; see printer.h. */
#include "client/cli/printer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/json_out.h"
#include "client/cli/say.h"

void printer_init (struct printer *p, const struct printer_opts *opts, int wake_fd,
                   sink_wake_fn *wake, void *arg)
{
    p->opts = *opts;
    sink_init (&p->out, STDOUT_FILENO, wake_fd, wake, arg);
    sink_init (&p->err, STDERR_FILENO, wake_fd, wake, arg);
    pending_init (&p->pending);
    p->batch = 0;
    p->next = 0;
    recall_init (&p->recall);
    failures_init (&p->failures, opts->command, opts->places);
}

void printer_fini (struct printer *p)
{
    recall_fini (&p->recall);
    pending_fini (&p->pending);
}

static bool names_failures (const struct printer *p)
{
    return !p->opts.json && !p->opts.quiet;
}

int printer_values (struct printer *p, uint64_t row, const drover_bytes_t *values, size_t count)
{
    if (names_failures (p))
        recall_add (&p->recall, row, values, count);
    if (!p->opts.tag && !p->opts.json)
        return 0;
    return pending_add (&p->pending, row, values, count) ? 0 : -1;
}

size_t printer_bytes (const struct printer *p)
{
    return p->pending.bytes;
}

uint64_t printer_behind (const struct printer *p, uint64_t rows)
{
    return p->opts.keep_order && rows > p->next ? rows - p->next : 0;
}

static int no_memory (drover_error_t *e)
{
    if (e) {
        e->code = DROVER_ENOMEM;
        snprintf (e->text, sizeof e->text, "no memory for the output of a task");
    }
    return -1;
}

static int sink_error (const struct sink *s, drover_error_t *e)
{
    if (e) {
        e->code = DROVER_ESYSTEM;
        snprintf (e->text, sizeof e->text, "cannot write to %s: %s",
                  s->fd == STDOUT_FILENO ? "stdout" : "stderr", strerror (s->error));
    }
    return -1;
}

struct tag {
    const char *text; /* NULL: none */
    size_t len;
};

/* A piece of output with the tag in front of each line. *fresh: the piece begins a line. */
static int write_tagged (struct sink *s, const struct tag *tag, drover_bytes_t piece, bool *fresh)
{
    const char *at = piece.ptr;
    const char *end = at + piece.len;

    while (at < end) {
        const char *newline = memchr (at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline + 1 : end;

        if (*fresh && (sink_write (s, tag->text, tag->len) < 0 || sink_write (s, "\t", 1) < 0))
            return -1;
        if (sink_write (s, at, (size_t)(stop - at)) < 0)
            return -1;
        *fresh = newline != NULL;
        at = stop;
    }
    return 0;
}

static int print_stream (struct sink *s, const drover_result_t *r, int stream,
                         const struct tag *tag, drover_error_t *e)
{
    drover_bytes_t piece = {NULL, 0};
    uint64_t at = 0;
    bool fresh = true;
    int more, bad;

    while ((more = drover_result_piece (r, stream, at, &piece, e)) == 1) {
        if (tag->text)
            bad = write_tagged (s, tag, piece, &fresh);
        else
            bad = sink_write (s, piece.ptr, piece.len);
        if (bad)
            return sink_error (s, e);
        at += piece.len;
    }
    return more;
}

static int print_json (struct printer *p, const drover_result_t *r, const struct pending_row *row,
                       drover_error_t *e)
{
    json_t *object =
        json_of_result (p->batch, r, row ? row->values : NULL, row ? row->count : 0, e);
    size_t len = 0;
    char *line = object ? json_line (object, &len) : NULL;
    int status = -1;

    if (line && sink_write (&p->out, line, len) == 0)
        status = 0;
    else if (line)
        sink_error (&p->out, e);
    else if (object)
        no_memory (e);
    free (line);
    return status;
}

/* Of all its stages, the first one first. */
static int print_err (struct printer *p, const drover_result_t *r, const struct tag *tag,
                      drover_error_t *e)
{
    if (r->before && print_err (p, r->before, tag, e) < 0)
        return -1;
    if (r->err_len == 0)
        return 0;
    if (sink_flush (&p->out) < 0) /* what was printed first is seen first */
        return sink_error (&p->out, e);
    if (print_stream (&p->err, r, 2, tag, e) < 0)
        return -1;
    return sink_flush (&p->err) < 0 ? sink_error (&p->err, e) : 0;
}

static int print_text (struct printer *p, const drover_result_t *r, const struct pending_row *row,
                       drover_error_t *e)
{
    struct tag tag = {NULL, 0};

    if (p->opts.tag && row &&
        drover_command_expand (p->opts.tag, row->values, row->count, r->row + 1, 1, &tag.text,
                               &tag.len, e) < 0)
        return -1;
    if (!p->opts.no_out && r->stage == p->opts.stages && print_stream (&p->out, r, 1, &tag, e) < 0)
        return -1;
    return p->opts.no_err ? 0 : print_err (p, r, &tag, e);
}

/* Behind what the task printed itself. */
static void name_failure (struct printer *p, const drover_result_t *r)
{
    drover_bytes_t values[RECALL_VALUES];

    if (!names_failures (p))
        return;
    if (failures_counts (r)) {
        sink_flush (&p->out);
        failures_add (&p->failures, r, values, recall_find (&p->recall, r->row, values));
    }
    recall_drop (&p->recall, r->row);
}

static int print_one (struct printer *p, const drover_result_t *r, struct pending_row *row,
                      drover_error_t *e)
{
    int status = p->opts.json ? print_json (p, r, row, e) : print_text (p, r, row, e);

    name_failure (p, r);
    pending_drop (&p->pending, row);
    return status;
}

int printer_result (struct printer *p, const drover_result_t *r, drover_error_t *e)
{
    struct pending_row *row = pending_find (&p->pending, r->row);

    if (p->opts.keep_order && r->row != p->next)
        return pending_keep (&p->pending, r) < 0 ? no_memory (e) : 0;
    if (print_one (p, r, row, e) < 0)
        return -1;
    p->next++;
    while (p->pending.kept > 0 && (row = pending_find (&p->pending, p->next)) && row->result) {
        if (print_one (p, row->result, row, e) < 0)
            return -1;
        p->next++;
    }
    return 0;
}

bool printer_failed (const struct printer *p)
{
    return p->out.error || p->err.error;
}

int printer_flush (struct printer *p, drover_error_t *e)
{
    if (sink_flush (&p->out) < 0)
        return sink_error (&p->out, e);
    return sink_flush (&p->err) < 0 ? sink_error (&p->err, e) : 0;
}

int printer_rest (struct printer *p, drover_error_t *e)
{
    struct pending_row *row, *next;

    for (row = p->pending.kept ? pending_sorted (&p->pending) : NULL; row; row = next) {
        next = row->hh.next;
        if (row->result && print_one (p, row->result, row, e) < 0)
            return -1;
    }
    if (printer_flush (p, e) < 0)
        return -1;
    failures_rest (&p->failures);
    return 0;
}
