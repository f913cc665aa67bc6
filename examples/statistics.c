/* statistics: lines, words and bytes of several files: counted in parallel, added up here.
 *
 *     DROVER_MODULES=. ./statistics FILE...     (with text.so in that directory)
 */
#include "example.h"

struct files {
    char **names; /* NULL behind the last */
    unsigned long lines, words, bytes;
};

static int next (uint64_t row, drover_bytes_t *value, void *arg)
{
    const struct files *f = arg;
    if (!f->names[row])
        return 0;
    value->ptr = f->names[row];
    value->len = strlen (f->names[row]);
    return 1;
}

static int add (const drover_result_t *r, void *arg)
{
    struct files *f = arg;
    unsigned long n[3];
    if (r->how != DROVER_DONE) {
        fprintf (stderr, "%s: %s\n", f->names[r->row], r->reason);
        return 0;
    }
    if (sscanf (r->out, "%lu %lu %lu", &n[0], &n[1], &n[2]) == 3) {
        f->lines += n[0];
        f->words += n[1];
        f->bytes += n[2];
    }
    show (r);
    return 0;
}

int main (int argc, char **argv)
{
    drover_error_t e;
    struct files f = {.names = argv + 1};
    drover_t *h = start (0);
    drover_spec_t *count = drover_spec_new_function ("text:count");
    double began = now ();
    int status = drover_foreach (h, count, NULL, next, add, &f, &e);

    if (status < 0)
        die ("drover_foreach", &e);
    printf ("%lu %lu %lu in %d files\n", f.lines, f.words, f.bytes, argc - 1);
    fprintf (stderr, "%.2f s\n", now () - began);
    drover_spec_free (&count);
    drover_close (&h);
    return status;
}
