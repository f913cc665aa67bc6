#include "tests/sim/fate.h"

#include <stdio.h>

static uint64_t mix (uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t z = a * 0x9e3779b97f4a7c15u ^ b * 0xd1342543de82ef95u ^ c * 0xaf251af3b0f025b5u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void fate_tag_write (const struct fate_tag *t, char *text, size_t size)
{
    snprintf (text, size, "%u %u %u %u %u %u %u", t->jobs, t->once, t->exclusive, t->retries,
              t->poison, t->long_rows, t->mixed);
}

void fate_tag_read (struct fate_tag *t, const char *text, size_t len)
{
    char copy[100];
    snprintf (copy, sizeof copy, "%.*s", (int)len, text);
    *t = (struct fate_tag){0};
    sscanf (copy, "%u %u %u %u %u %u %u", &t->jobs, &t->once, &t->exclusive, &t->retries,
            &t->poison, &t->long_rows, &t->mixed);
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
