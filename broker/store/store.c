#include "broker/store/store.h"

#include <stdlib.h>

#include "common/base/mem.h"

struct store {
    const struct store_verbs *verbs;
    void *self;
};

struct store *store_new (const struct store_verbs *verbs, void *self)
{
    struct store *s = mem_zalloc (sizeof *s);
    s->verbs = verbs;
    s->self = self;
    return s;
}

void store_close (struct store **sp)
{
    struct store *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    s->verbs->close (s->self);
    free (s);
}

const char *store_name (const struct store *s)
{
    return s->verbs->name;
}

bool store_wants_records (const struct store *s)
{
    return s->verbs->wants_records;
}

bool store_is_durable (const struct store *s)
{
    return s->verbs->durable;
}

const char *store_shut (const struct store *s)
{
    return s->verbs->shut;
}

bool store_went_back (const struct store *s)
{
    return s->verbs->went_back && s->verbs->went_back (s->self);
}

int store_append (struct store *s, uint64_t batch, const struct wire_frames *record, struct err *e)
{
    return s->verbs->append (s->self, batch, record, e);
}

int store_commit (struct store *s, uint64_t number, struct err *e)
{
    return s->verbs->commit (s->self, number, e);
}

uint64_t store_committed (struct store *s)
{
    return s->verbs->committed (s->self);
}

int store_ready_fd (struct store *s)
{
    return s->verbs->ready_fd (s->self);
}

int store_replay (struct store *s, store_replay_fn *fn, void *arg, struct err *e)
{
    return s->verbs->replay (s->self, fn, arg, e);
}

int store_reopen (struct store *s, struct err *e)
{
    return s->verbs->reopen ? s->verbs->reopen (s->self, e) : 0;
}

int store_probe (struct store *s, struct err *e)
{
    return s->verbs->probe ? s->verbs->probe (s->self, e) : 0;
}
