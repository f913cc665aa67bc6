/* smoke: runs a harness over its corpus and over mutations of it, the same ones each time.
 *
 * usage: fuzz_NAME [FILE]...     FILE: only these inputs (of a finding, for example)
 */
#include <dirent.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define ROUNDS 25000
#define SEEDS_MAX 200
#define INPUT_MAX 8192

struct input {
    uint8_t bytes[INPUT_MAX];
    size_t len;
};

static uint64_t dice_state = 0x9e3779b97f4a7c15u;

static size_t dice (size_t below)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 7;
    dice_state ^= dice_state << 17;
    return below ? (size_t)(dice_state >> 11) % below : 0;
}

static void read_input (const char *path, struct input *in)
{
    FILE *f = fopen (path, "rb");
    if (!f) {
        perror (path);
        exit (1);
    }
    in->len = fread (in->bytes, 1, INPUT_MAX, f);
    fclose (f);
}

/* A copy of its own size, so that a sanitizer sees each byte that is read behind its end. */
static void run (const struct input *in)
{
    uint8_t *exact = malloc (in->len ? in->len : 1);
    MUST (exact);
    memcpy (exact, in->bytes, in->len);
    LLVMFuzzerTestOneInput (exact, in->len);
    free (exact);
}

static void insert (struct input *in, size_t at, const uint8_t *bytes, size_t len)
{
    if (len > INPUT_MAX - in->len)
        len = INPUT_MAX - in->len;
    memmove (in->bytes + at + len, in->bytes + at, in->len - at);
    memcpy (in->bytes + at, bytes, len);
    in->len += len;
}

static void mutate (struct input *in, const struct input *other)
{
    static const uint8_t heads[] = {0x00, 0x7f, 0x80, 0x90, 0x91, 0x9f, 0xa0,
                                    0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xcc, 0xcd,
                                    0xcf, 0xd3, 0xd9, 0xdc, 0xdd, 0xdf, 0xff};
    size_t at = dice (in->len), len = dice (in->len - at < 64 ? in->len - at : 64);
    uint8_t byte = dice (2) ? heads[dice (sizeof heads)] : (uint8_t)dice (256);
    switch (dice (6)) {
    case 0:
        if (in->len)
            in->bytes[at] = byte;
        return;
    case 1:
        if (in->len)
            in->bytes[at] ^= (uint8_t)(1u << dice (8));
        return;
    case 2:
        insert (in, at, &byte, 1);
        return;
    case 3:
        memmove (in->bytes + at, in->bytes + at + len, in->len - at - len);
        in->len -= len;
        return;
    case 4:
        insert (in, at, other->bytes, dice (other->len + 1));
        return;
    default:
        in->len = dice (2) ? at : in->len;
    }
}

static unsigned read_corpus (const char *dir, struct input *seeds)
{
    struct dirent **names = NULL;
    unsigned count = 0;
    int n = scandir (dir, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[2000];
        snprintf (path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && count < SEEDS_MAX)
            read_input (path, &seeds[count++]);
        free (names[i]);
    }
    free (names);
    return count;
}

static void run_corpus (const char *dir)
{
    static struct input seeds[SEEDS_MAX], in;
    unsigned count = read_corpus (dir, seeds);
    if (!count) {
        fprintf (stderr, "%s: no corpus\n", dir);
        exit (1);
    }
    for (unsigned i = 0; i < count; i++)
        run (&seeds[i]);
    for (unsigned round = 0; round < ROUNDS; round++) {
        in = seeds[dice (count)];
        for (size_t n = 1 + dice (6); n; n--)
            mutate (&in, &seeds[dice (count)]);
        run (&in);
    }
    printf ("%u inputs, %u mutations\n", count, ROUNDS);
}

int main (int argc, char **argv)
{
    static struct input in;
    char dir[1000];
    const char *top = getenv ("top_srcdir"), *name = strrchr (argv[0], '_');
    for (int i = 1; i < argc; i++) {
        read_input (argv[i], &in);
        run (&in);
    }
    snprintf (dir, sizeof dir, "%s/tests/fuzz/corpus/%s", top ? top : ".", name ? name + 1 : "");
    if (argc == 1)
        run_corpus (dir);
    return 0;
}
