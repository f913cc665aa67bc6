/* table: rows of text in columns; see table.h. */
#include "client/cli/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/say.h"
#include "common/base/mem.h"

#define CELL_MAX 400

void table_init (struct table *t, size_t columns)
{
    memset (t, 0, sizeof *t);
    t->columns = columns;
    t->widths = mem_zalloc (columns * sizeof *t->widths);
}

void table_fini (struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free (t->cells[i]);
    free (t->cells);
    free (t->widths);
    memset (t, 0, sizeof *t);
}

/* Columns that UTF-8 text takes, one for each character: good enough for names. */
static size_t width_of (const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_cell (struct table *t, const void *bytes, size_t len)
{
    char text[CELL_MAX];
    size_t column = t->count % t->columns;
    size_t width;

    say_escape (text, sizeof text, len ? bytes : "-", len ? len : 1);
    width = width_of (text);
    if (width > t->widths[column])
        t->widths[column] = width;
    t->cells = mem_resize (t->cells, t->count + 1, sizeof *t->cells);
    t->cells[t->count++] = mem_strdup (text);
}

/* Is every cell of the column below its heading a number, but for empty ones? */
static bool is_numeric (const struct table *t, size_t column)
{
    bool numbers = false;

    for (size_t i = t->columns + column; i < t->count; i += t->columns) {
        const char *cell = t->cells[i];

        if (cell[strspn (cell, "0123456789.-?")] != '\0')
            return false;
        numbers = numbers || strpbrk (cell, "0123456789");
    }
    return numbers;
}

void table_print (const struct table *t, FILE *out)
{
    for (size_t i = 0; i < t->count; i++) {
        size_t column = i % t->columns;
        bool last = column + 1 == t->columns;
        int pad = (int)(t->widths[column] - width_of (t->cells[i]));

        if (is_numeric (t, column))
            fprintf (out, "%*s%s", pad, "", t->cells[i]);
        else
            fprintf (out, "%s%*s", t->cells[i], last ? 0 : pad, "");
        fputs (last ? "\n" : "  ", out);
    }
}
