/* jobs: see jobs.h.
 *
 * The values of a job of one row are views of what the sources hold. Where a job has several rows,
 * the earlier ones are copied into `kept`, because their sources move on; pointers into it are made
 * when the job is complete and it grows no more.
 */
#include "client/cli/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/colsep.h"
#include "client/cli/combine.h"
#include "common/base/buf.h"
#include "common/base/mem.h"

#define KEPT_MAX ((size_t)256 << 20) /* bytes of the values of one job */

struct jobs {
    const struct inputs *in;
    struct source_options options; /* as in->source, but columns are trimmed here */
    struct source **sources;
    size_t *widths; /* columns that the header of each source names */
    struct combine *combine;
    struct colsep *colsep; /* NULL: a value is a column */
    char **names;
    size_t name_count;
    size_t headers; /* sources whose header was read */
    drover_bytes_t *values;
    size_t count; /* values of the job that is being made */
    size_t size;
    size_t rows; /* of that job */
    struct buf kept;
    uint64_t seq;
    int fd;
};

static bool is_stdin (const struct input *in)
{
    return in->file && strcmp (in->file, "-") == 0;
}

static int open_sources (struct jobs *j, struct err *e)
{
    size_t stdins = 0;
    for (size_t i = 0; i < j->in->count; i++) {
        const struct input *in = &j->in->list[i];
        stdins += is_stdin (in);
        if (stdins > 1)
            return err_set (e, EINVAL, "stdin can be an input source only once");
        j->sources[i] = in->file ? source_of_file (in->file, &j->options, e)
                                 : source_of_words (in->words, in->count, &j->options);
        if (!j->sources[i])
            return -1;
    }
    return 0;
}

static void combine_sources (struct jobs *j)
{
    struct combine_member *members = mem_zalloc (j->in->count * sizeof *members);
    for (size_t i = 0; i < j->in->count; i++) {
        const struct input *in = &j->in->list[i];
        members[i] = (struct combine_member){.source = j->sources[i],
                                             .linked = in->linked,
                                             .file = in->file != NULL,
                                             .first_choice = is_stdin (in)};
    }
    j->combine = combine_new (members, j->in->count, j->in->link);
    free (members);
}

struct jobs *jobs_new (const struct inputs *inputs, struct err *e)
{
    struct jobs *j = mem_zalloc (sizeof *j);
    const char *colsep = inputs->colsep ? inputs->colsep : inputs->header ? "\t" : NULL;
    j->in = inputs;
    j->fd = -1;
    j->options = inputs->source;
    if (colsep)
        j->options.trim = TRIM_NONE;
    j->sources = mem_zalloc (inputs->count * sizeof *j->sources);
    j->widths = mem_zalloc (inputs->count * sizeof *j->widths);
    buf_init (&j->kept, KEPT_MAX);
    if ((colsep && !(j->colsep = colsep_new (colsep, e))) || open_sources (j, e))
        jobs_free (&j);
    else
        combine_sources (j);
    return j;
}

void jobs_free (struct jobs **j)
{
    if (!*j)
        return;
    combine_free (&(*j)->combine);
    for (size_t i = 0; i < (*j)->in->count; i++)
        source_free (&(*j)->sources[i]);
    for (size_t i = 0; i < (*j)->name_count; i++)
        free ((*j)->names[i]);
    colsep_free (&(*j)->colsep);
    buf_fini (&(*j)->kept);
    free ((*j)->sources);
    free ((*j)->widths);
    free ((*j)->names);
    free ((*j)->values);
    free (*j);
    *j = NULL;
}

int jobs_fd (const struct jobs *j)
{
    return j->fd;
}

/* --- names --- */

static void add_name (struct jobs *j, struct bytes name)
{
    j->names = mem_resize (j->names, j->name_count + 2, sizeof *j->names);
    j->names[j->name_count++] = mem_strndup ((const char *)name.ptr, name.len);
    j->names[j->name_count] = NULL;
}

static int read_header (struct jobs *j, size_t i, struct err *e)
{
    struct bytes row = {0};
    struct bytes column;
    int step = source_next (j->sources[i], &row, e);
    if (step == INPUT_WAIT)
        j->fd = source_fd (j->sources[i]);
    if (step == INPUT_WAIT || step < 0)
        return step;
    if (step == INPUT_END)
        row = bytes_str ("");
    for (size_t at = 0; colsep_next (j->colsep, row, &at, &column); j->widths[i]++) {
        if (j->name_count >= JOB_VALUES_MAX)
            return err_set (e, E2BIG, "the header names more than %d columns", JOB_VALUES_MAX);
        add_name (j, source_trimmed (column, j->in->source.trim));
    }
    return INPUT_VALUE;
}

int jobs_names (struct jobs *j, const char *const **names, struct err *e)
{
    while (j->in->header && j->headers < j->in->count) {
        int step = read_header (j, j->headers, e);
        if (step != INPUT_VALUE)
            return step;
        j->headers++;
    }
    *names = (const char *const *)j->names;
    return INPUT_VALUE;
}

/* --- values --- */

static int add_value (struct jobs *j, struct bytes value, struct err *e)
{
    if (j->count == JOB_VALUES_MAX)
        return err_set (e, E2BIG, "job %llu has more than %d values",
                        (unsigned long long)j->seq + 1, JOB_VALUES_MAX);
    if (j->count == j->size) {
        j->size = j->size ? 2 * j->size : 16;
        j->values = mem_resize (j->values, j->size, sizeof *j->values);
    }
    if (j->in->per_job > 1 && buf_append (&j->kept, value.ptr, value.len))
        return err_set (e, E2BIG, "the values of job %llu are more than %zu MiB",
                        (unsigned long long)j->seq + 1, KEPT_MAX >> 20);
    j->values[j->count++] = (drover_bytes_t){value.ptr, value.len};
    return 0;
}

/* The columns of a row of source i. Where a header says how many there are, and columns of another
 * source follow, missing ones are filled up: names stand for places. */
static int add_columns (struct jobs *j, size_t i, struct bytes row, struct err *e)
{
    struct bytes column;
    size_t n = 0;
    for (size_t at = 0; colsep_next (j->colsep, row, &at, &column); n++)
        if (add_value (j, source_trimmed (column, j->in->source.trim), e))
            return -1;
    for (; i + 1 < j->in->count && n < j->widths[i]; n++)
        if (add_value (j, bytes_str (""), e))
            return -1;
    return 0;
}

static int add_row (struct jobs *j, const struct bytes *row, struct err *e)
{
    for (size_t i = 0; i < j->in->count; i++)
        if (j->colsep ? add_columns (j, i, row[i], e) : add_value (j, row[i], e))
            return -1;
    return 0;
}

/* The job is complete: where the values were copied, they are one behind the other in `kept`. */
static void give (struct jobs *j, struct job *job)
{
    size_t at = 0;
    for (size_t i = 0; j->in->per_job > 1 && i < j->count; i++) {
        j->values[i].ptr = j->values[i].len ? (const char *)j->kept.bytes + at : "";
        at += j->values[i].len;
    }
    *job = (struct job){.seq = ++j->seq, .values = j->values, .count = j->count};
    j->rows = 0;
}

int jobs_next (struct jobs *j, struct job *job, struct err *e)
{
    const char *const *names;
    const struct bytes *row;
    int step = j->headers < j->in->count ? jobs_names (j, &names, e) : INPUT_VALUE;
    if (step != INPUT_VALUE)
        return step;
    if (!j->rows) {
        j->count = 0;
        buf_clear (&j->kept);
    }
    while (j->rows < j->in->per_job) {
        step = combine_next (j->combine, &row, e);
        if (step == INPUT_WAIT)
            j->fd = combine_fd (j->combine);
        if (step == INPUT_END && j->rows)
            break;
        if (step != INPUT_VALUE)
            return step;
        if (!j->in->insert_none && add_row (j, row, e))
            return -1;
        j->rows++;
    }
    give (j, job);
    return INPUT_VALUE;
}
