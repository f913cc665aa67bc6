/* drover_module.h: C functions as tasks.
 *
 * A module is a shared object with functions that workers call for tasks of the form
 * `drover foreach --function MODULE:NAME`, where MODULE is the name of its file without ".so":
 *
 *     #include <drover_module.h>
 *
 *     static int upper (drover_call_t *call)
 *     {
 *         const char *text = drover_call_text (call, 0);
 *         if (!text)
 *             return drover_call_fail (call, "text:upper wants one text");
 *         for (; *text; text++) {
 *             char c = (char)toupper ((unsigned char)*text);
 *             drover_call_result (call, &c, 1);
 *         }
 *         return 0;
 *     }
 *
 *     static const struct drover_function functions[] = {
 *         {"upper", upper, "its argument in capital letters"},
 *         {0, 0, 0},
 *     };
 *     DROVER_MODULE (functions)
 *
 *     cc -shared -fPIC $(pkg-config --cflags libdrover) -o text.so text.c
 *     DROVER_MODULES=$PWD drover foreach --function text:upper ::: a b c
 *
 * Nothing is linked: what a function asks of its executor it asks through the table of its call.
 * A function is called in a process of its own kind (an executor), many times one after another and
 * never twice at once, so that static variables may keep what is dear to make. It may crash, exit
 * or run over its time limit: that costs the one row, and the executor, which is replaced. It owns
 * its process: stdin is empty; what it prints on stdout itself is lost, on stderr it is the
 * worker's log. Other threads of a module, and processes that it forks, may not use a call.
 */
#ifndef DROVER_MODULE_H
#define DROVER_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DROVER_MODULE_ABI 1 /* another number: another layout of what follows */

/* One call: one attempt of one row. Valid until the function returns. */
typedef struct drover_call drover_call_t;

/* Returns 0 when the task is done. Anything else is failure: the low 8 bits (1 to 255; 255 where
 * they are 0) become the task's exit status. */
typedef int drover_function_t (drover_call_t *call);

struct drover_function {
    const char *name; /* letters, digits, and _ . - */
    drover_function_t *call;
    const char *about; /* one line for people; may be NULL */
};

struct drover_module {
    unsigned abi;                            /* DROVER_MODULE_ABI */
    const struct drover_function *functions; /* up to the one whose name is NULL */
};

/* What a module exports. Use DROVER_MODULE to define it. */
extern __attribute__ ((visibility ("default"))) const struct drover_module drover_module;

#define DROVER_MODULE(functions)                                                                   \
    const struct drover_module drover_module = {DROVER_MODULE_ABI, functions};

enum drover_stream { DROVER_STREAM_OUT = 1, DROVER_STREAM_ERR = 2 };

enum drover_number {
    DROVER_NUMBER_ROW,     /* of the batch, from 0 */
    DROVER_NUMBER_ATTEMPT, /* from 1 */
    DROVER_NUMBER_SLOT,    /* {%}: from 1, unique among those that run at one time */
    DROVER_NUMBER_LEFT_MS, /* of the time limit; -1: there is none */
};

/* What an executor can do for a call. Later versions add at the end: `size` tells how much there
 * is. Not for direct use: the functions below are the interface. */
struct drover_call_table {
    size_t size;
    size_t (*count) (const drover_call_t *call);
    const void *(*value) (const drover_call_t *call, size_t i, size_t *len);
    const char *(*text) (drover_call_t *call, size_t i);
    int (*write) (drover_call_t *call, enum drover_stream stream, const void *bytes, size_t len);
    void (*fail) (drover_call_t *call, const char *reason);
    int (*cancelled) (const drover_call_t *call);
    int64_t (*number) (const drover_call_t *call, enum drover_number which);
    void (*progress) (drover_call_t *call, uint64_t done, uint64_t total);
};

struct drover_call {
    const struct drover_call_table *table;
};

/* How many values the row has. */
static inline size_t drover_call_count (const drover_call_t *call)
{
    return call->table->count (call);
}

/* Value `i` with its length in *len: any bytes, without a NUL behind them. NULL and 0 where there
 * is none. It lives as long as the call. */
static inline const void *drover_call_value (const drover_call_t *call, size_t i, size_t *len)
{
    return call->table->value (call, i, len);
}

/* Value `i` as a C string, which lives as long as the call. NULL where there is none, where it has
 * a NUL in it, or without memory. */
static inline const char *drover_call_text (drover_call_t *call, size_t i)
{
    return call->table->text (call, i);
}

/* Append to the task's result (its stdout). The bytes are copied. Any amount: much leaves in pieces
 * at once, and waits there for who is slow to read. 0, or -1 where nobody takes it any more: then
 * return soon. */
static inline int drover_call_result (drover_call_t *call, const void *bytes, size_t len)
{
    return call->table->write (call, DROVER_STREAM_OUT, bytes, len);
}

/* The same for its stderr. */
static inline int drover_call_message (drover_call_t *call, const void *bytes, size_t len)
{
    return call->table->write (call, DROVER_STREAM_ERR, bytes, len);
}

/* Say in one line why the task fails, and return 1. The text is copied; of several the last
 * counts; of a task that returns 0 none does. */
static inline int drover_call_fail (drover_call_t *call, const char *reason)
{
    call->table->fail (call, reason);
    return 1;
}

/* Not 0 when somebody cancelled the task: return soon, or be killed after the grace time. With 0
 * the task is done all the same, with another number its outcome is `cancelled`. Costs a read of
 * memory. */
static inline int drover_cancelled (const drover_call_t *call)
{
    return call->table->cancelled (call);
}

/* Say how far the task is: `done` of `total`, in whatever unit; `total` is 0 where it is not known.
 * `drover info ID.N` shows it while the task runs, as it was a second ago. Costs a write to memory,
 * and nothing comes of it where the worker is older than this. */
static inline void drover_call_progress (drover_call_t *call, uint64_t done, uint64_t total)
{
    if (call->table->size > offsetof (struct drover_call_table, progress))
        call->table->progress (call, done, total);
}

static inline int64_t drover_call_number (const drover_call_t *call, enum drover_number which)
{
    return call->table->number (call, which);
}

#ifdef __cplusplus
}
#endif

#endif
