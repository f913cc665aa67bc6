#include "tests/sim/fate.h"

#include <stdio.h>

#include "common/wire/wire.h"

static uint64_t mix (uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t z = a * 0x9e3779b97f4a7c15u ^ b * 0xd1342543de82ef95u ^ c * 0xaf251af3b0f025b5u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

const unsigned FATE_STATUS[FATE_STATUSES] = {1, 2, 75};

static bool is_named_status (const struct fate_again *a, unsigned status)
{
    for (unsigned i = 0; i < FATE_STATUSES; i++)
        if (a->exits >> i & 1 && FATE_STATUS[i] == status)
            return true;
    return false;
}

bool fate_wants_again (const struct fate_again *a, enum outcome_how how, unsigned status,
                       unsigned signal)
{
    switch (how) {
    case OUTCOME_FAILED:
        if (signal)
            return a->on & RETRY_SIGNAL;
        return a->on & RETRY_FAILED || (a->on & RETRY_EXITS && is_named_status (a, status));
    case OUTCOME_TIMEOUT:
        return a->on & RETRY_TIMEOUT;
    case OUTCOME_LOST:
        return a->on & RETRY_LOST;
    default:
        return false;
    }
}

void fate_tag_write (const struct fate_tag *t, char *text, size_t size)
{
    const struct fate_again *a = &t->again;
    snprintf (text, size, "%u %u %u %u %u %u %u %u %u %u %u %u %u %u", t->jobs, t->once,
              t->exclusive, t->poison, t->long_rows, t->mixed, t->fragile, t->after, t->keys,
              a->runs, a->on, a->exits, a->backoff_ms, a->losses);
}

void fate_tag_read (struct fate_tag *t, const char *text, size_t len)
{
    char copy[200];
    snprintf (copy, sizeof copy, "%.*s", (int)len, text);
    *t = (struct fate_tag){0};
    struct fate_again *a = &t->again;
    sscanf (copy, "%u %u %u %u %u %u %u %u %u %u %u %u %u %u", &t->jobs, &t->once, &t->exclusive,
            &t->poison, &t->long_rows, &t->mixed, &t->fragile, &t->after, &t->keys, &a->runs,
            &a->on, &a->exits, &a->backoff_ms, &a->losses);
}

size_t fate_output (uint64_t batch, uint64_t row, uint64_t attempt)
{
    uint64_t z = mix (batch, row, attempt + 77);
    if (z % 100 < 60)
        return 0;
    return z % 100 < 90 ? (z >> 8) % 100 : (z >> 8) % FATE_OUTPUT_MAX;
}

uint8_t fate_byte (uint64_t batch, uint64_t row, uint64_t attempt, uint64_t at)
{
    return (uint8_t)(mix (batch, row, attempt) + at * 31 + at / 251);
}

bool fate_is_poison (uint64_t batch, uint64_t row)
{
    return mix (batch, row, 4711) % 40 == 0;
}
