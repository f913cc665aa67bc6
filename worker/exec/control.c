/* The page's layout and its atomics.
 *
 * A run's word holds its tag (the low 16 bits of its number), how many rows it still has (limit)
 * and how many are claimed (next): one compare-and-swap decides between a claim and a recall. The
 * words form a ring: the tag tells a run from the one CONTROL_RUNS before it.
 *
 * The outcomes' part follows the words. Its length is set after the bytes are, so that what a crash
 * leaves is whole outcomes; its record number changes after the message with them has left.
 */
#include "worker/exec/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct control {
    _Atomic uint64_t word[CONTROL_RUNS];
    _Atomic int64_t start_us; /* of the running row; 0: none. Set last, cleared first */
    _Atomic uint64_t run;     /* it belongs to, */
    _Atomic uint32_t place;   /* and its place there */
    _Atomic uint64_t cancel;  /* row_key() of a row that should stop */
    _Atomic uint64_t told;    /* row_key() of the row that told its progress, */
    _Atomic uint64_t done;    /* which is this */
    _Atomic uint64_t total;
    _Atomic uint32_t spent;   /* the executor is to be replaced */
    _Atomic uint32_t cut;     /* it goes by itself */
    _Atomic uint64_t looks;   /* and of the last whose function asked whether it should */
    _Atomic int64_t lease_us; /* of struct lease: until_us; set last, cleared first */
    _Atomic int64_t margin_us;
    _Atomic uint64_t record; /* of the RESULTS that will carry the outcomes below, less one */
    _Atomic uint64_t packed; /* bytes of them */
    uint8_t results[CONTROL_RESULTS];
};

#define FIELD_BITS 24
#define FIELD_MASK ((1u << FIELD_BITS) - 1)
_Static_assert(CONTROL_ROWS_MAX <= FIELD_MASK, "a run's counts fit their fields");

static uint64_t word_of (uint64_t run, uint32_t next, uint32_t limit)
{
    return run << (2 * FIELD_BITS) | (uint64_t)limit << FIELD_BITS | next;
}

static uint32_t word_next (uint64_t word)
{
    return word & FIELD_MASK;
}

static uint32_t word_limit (uint64_t word)
{
    return word >> FIELD_BITS & FIELD_MASK;
}

static int word_is_of (uint64_t word, uint64_t run)
{
    return word >> (2 * FIELD_BITS) == (run & 0xffff);
}

/* Of that run, or of a later one in its place. */
static int word_is_in_ring (uint64_t word, uint64_t run)
{
    return (word >> (2 * FIELD_BITS)) % CONTROL_RUNS == run % CONTROL_RUNS;
}

static uint64_t row_key (uint64_t run, uint32_t place)
{
    return (run << FIELD_BITS | place) + 1; /* never 0, which means none */
}

int control_create (struct err *e)
{
    int fd = memfd_create ("drover-control", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_sys (e, errno, "cannot make a control page");
    if (ftruncate (fd, sizeof (struct control)) ||
        fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        int code = errno;
        close (fd);
        return err_sys (e, code, "cannot size a control page");
    }
    return fd;
}

struct control *control_map (int fd, struct err *e)
{
    struct stat st;
    if (fstat (fd, &st) || st.st_size < (off_t)sizeof (struct control)) {
        err_set (e, EINVAL, "descriptor %d is no control page", fd);
        return NULL;
    }
    void *p = mmap (NULL, sizeof (struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        err_sys (e, errno, "cannot map a control page");
        return NULL;
    }
    return p;
}

void control_unmap (struct control **c)
{
    if (*c)
        munmap (*c, sizeof **c);
    *c = NULL;
}

void control_hide (struct control *c)
{
    madvise (c, sizeof *c, MADV_DONTFORK);
}

void control_open (struct control *c, uint64_t run, uint32_t count)
{
    atomic_store (&c->word[run % CONTROL_RUNS], word_of (run, 0, count));
}

uint32_t control_recall (struct control *c, uint64_t run, uint32_t count, uint32_t want)
{
    _Atomic uint64_t *word = &c->word[run % CONTROL_RUNS];
    uint64_t now = atomic_load (word);
    uint64_t then;
    uint32_t keep;
    do {
        uint32_t next = word_next (now);
        if (!word_is_of (now, run) || word_limit (now) != count || next >= count)
            return 0;
        keep = count - next <= want ? next : count - want;
        then = word_of (run, next, keep);
    } while (!atomic_compare_exchange_weak (word, &now, then));
    return count - keep;
}

int64_t control_claimed (const struct control *c, uint64_t run, uint32_t count)
{
    uint64_t word = atomic_load (&c->word[run % CONTROL_RUNS]);
    bool whole = word_is_of (word, run) && word_limit (word) == count && word_next (word) <= count;
    return whole ? (int64_t)word_next (word) : -1;
}

bool control_running (const struct control *c, struct control_running *r)
{
    r->start_us = atomic_load (&c->start_us);
    r->run = atomic_load (&c->run);
    r->place = atomic_load (&c->place);
    return r->start_us && r->start_us == atomic_load (&c->start_us);
}

bool control_progress (const struct control *c, struct control_progress *p)
{
    struct control_running r;
    if (!control_running (c, &r) || atomic_load (&c->told) != row_key (r.run, r.place))
        return false;
    *p = (struct control_progress){.run = r.run,
                                   .place = r.place,
                                   .done = atomic_load (&c->done),
                                   .total = atomic_load (&c->total)};
    return true;
}

bool control_is_spent (const struct control *c)
{
    return atomic_load (&c->spent);
}

bool control_is_cut (const struct control *c)
{
    return atomic_load (&c->cut);
}

bool control_cancel (struct control *c, uint64_t run, uint32_t place)
{
    uint64_t key = row_key (run, place);
    atomic_store (&c->cancel, key);
    return atomic_load (&c->looks) == key;
}

void control_set_lease (struct control *c, struct lease l)
{
    atomic_store (&c->margin_us, l.margin_us);
    atomic_store (&c->lease_us, l.until_us);
}

struct lease control_lease (const struct control *c)
{
    int64_t until_us = atomic_load (&c->lease_us);
    return (struct lease){.until_us = until_us, .margin_us = atomic_load (&c->margin_us)};
}

struct bytes control_unsent (const struct control *c, uint64_t last_record)
{
    size_t len = atomic_load (&c->packed);
    if (atomic_load (&c->record) != last_record || len > CONTROL_RESULTS)
        return (struct bytes){0};
    return bytes_of (c->results, len);
}

size_t control_peek (const struct control *c, void *copy, size_t size)
{
    uint64_t record = atomic_load (&c->record);
    size_t len = atomic_load (&c->packed);
    if (!len || len > size || len > CONTROL_RESULTS)
        return 0;
    memcpy (copy, c->results, len);
    /* Bytes of whole outcomes change only after `packed` was 0, which changes the record too. */
    atomic_thread_fence (memory_order_seq_cst);
    return atomic_load (&c->packed) >= len && atomic_load (&c->record) == record ? len : 0;
}

int64_t control_claim (struct control *c, uint64_t run, int64_t now_us)
{
    _Atomic uint64_t *word = &c->word[run % CONTROL_RUNS];
    uint64_t now = atomic_load_explicit (word, memory_order_relaxed);
    do {
        if (!word_is_in_ring (now, run))
            return -2;
        if (!word_is_of (now, run) || word_next (now) >= word_limit (now))
            return -1;
    } while (!atomic_compare_exchange_weak (word, &now, now + 1));
    /* Release order is enough: a reader that sees the time sees what was stored before it. */
    uint32_t place = word_next (now);
    atomic_store_explicit (&c->start_us, 0, memory_order_release);
    atomic_store_explicit (&c->run, run, memory_order_release);
    atomic_store_explicit (&c->place, place, memory_order_release);
    atomic_store_explicit (&c->start_us, now_us, memory_order_release);
    return place;
}

void control_rest (struct control *c)
{
    atomic_store_explicit (&c->start_us, 0, memory_order_release);
}

bool control_cancelled (struct control *c)
{
    uint64_t key = row_key (atomic_load_explicit (&c->run, memory_order_relaxed),
                            atomic_load_explicit (&c->place, memory_order_relaxed));
    if (atomic_load_explicit (&c->looks, memory_order_relaxed) != key)
        atomic_store (&c->looks, key);
    return atomic_load_explicit (&c->cancel, memory_order_acquire) == key;
}

/* A reader may find one number old and the other new: the next look mends that. */
void control_say_progress (struct control *c, uint64_t done, uint64_t total)
{
    uint64_t key = row_key (atomic_load_explicit (&c->run, memory_order_relaxed),
                            atomic_load_explicit (&c->place, memory_order_relaxed));
    atomic_store_explicit (&c->total, total, memory_order_relaxed);
    atomic_store_explicit (&c->done, done, memory_order_relaxed);
    atomic_store_explicit (&c->told, key, memory_order_release);
}

void control_say_spent (struct control *c)
{
    atomic_store (&c->spent, 1);
}

void control_say_cut (struct control *c)
{
    atomic_store (&c->cut, 1);
}

uint8_t *control_results (struct control *c)
{
    return c->results;
}

void control_results_packed (struct control *c, size_t len)
{
    atomic_store_explicit (&c->packed, len, memory_order_release);
}

uint64_t control_results_record (const struct control *c)
{
    return atomic_load_explicit (&c->record, memory_order_relaxed) + 1;
}

void control_results_sent (struct control *c)
{
    /* In this order: a process killed between the two has nothing packed, so that no outcome that
     * was sent counts as unsent. */
    atomic_store (&c->packed, 0);
    atomic_fetch_add (&c->record, 1);
}
