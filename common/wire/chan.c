/* chan: queues of what was not sent yet, one list of what was sent and not acknowledged.
 *
 * A message is given its number when it moves from a queue to the list. The list is in order of
 * numbers; `resend` points to the first of it that has to go out (again), and everything behind it
 * has to, too. So a refused transmission, a reconnect and a new message are one path. The header of
 * what is handed out is a copy: it is stamped anew each time, while a messaging library may still
 * read the one before.
 *
 * When the other side begins a new life, the list becomes a queue (`again`) before the others: what
 * was in it gets new numbers as it leaves.
 */
#include "common/wire/chan.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"
#include "common/wire/pace.h"

#define PIECE_MIN (32u << 10)

struct node {
    STAILQ_ENTRY (node) link;
    struct wire_frames frames;
    uint64_t hold;
    uint64_t seq; /* 0: not sent yet */
    size_t bytes;
    enum chan_lane lane;
    bool out; /* takes the line's time, on its way on this connection */
};

STAILQ_HEAD (queue, node);

/* Numbers up to `upto` may be acknowledged when `commit` holds. */
struct held {
    uint64_t commit;
    uint64_t upto;
};

struct chan {
    /* out */
    struct queue first; /* before all else */
    struct queue again; /* what the other side had been sent in its last life */
    struct queue lane[LANES];
    struct queue sent;
    struct node *resend; /* in `sent`: the first to hand out; NULL: none */
    struct node *last;   /* in `sent`: handed out by the latest chan_next() */
    uint64_t numbered;   /* the highest number given */
    uint64_t acked;      /* by the other side */
    uint64_t released;   /* commits up to this one hold */
    uint64_t window_msgs;
    uint64_t window_bytes;
    uint64_t bulk_msgs;    /* sent in the bulk lane and not acknowledged */
    uint64_t bulk_bytes;   /* likewise */
    uint64_t queued_msgs;  /* in the bulk lane, not sent yet */
    uint64_t queued_bytes; /* likewise */
    size_t backlog;        /* bytes in all queues */
    struct pace pace;      /* of this connection */
    uint64_t unasked;      /* bytes since an acknowledgement was asked for */
    int64_t now_us;

    /* in */
    uint64_t received;
    uint64_t may_ack;    /* received, and its commit holds */
    uint64_t ack_told;   /* the other side was told that much */
    uint64_t ack_before; /* what ack_told was before the latest chan_next() */
    bool owes;           /* a duplicate came: the other side missed an acknowledgement */
    bool owed_before;
    uint64_t ack_commit; /* of what is accepted now; 0: none */
    struct held *held;   /* a ring, commits ascending */
    size_t held_first;
    size_t held_count;
    size_t held_size;
};

struct chan *chan_new (uint64_t window_msgs, uint64_t window_bytes)
{
    struct chan *c = mem_zalloc (sizeof *c);
    STAILQ_INIT (&c->first);
    STAILQ_INIT (&c->again);
    for (int i = 0; i < LANES; i++)
        STAILQ_INIT (&c->lane[i]);
    STAILQ_INIT (&c->sent);
    pace_init (&c->pace);
    chan_window (c, window_msgs, window_bytes);
    return c;
}

static void free_node (struct node **n)
{
    wire_frames_fini (&(*n)->frames);
    free (*n);
    *n = NULL;
}

static void free_first (struct queue *q)
{
    struct node *n = STAILQ_FIRST (q);
    STAILQ_REMOVE_HEAD (q, link);
    free_node (&n);
}

static void free_all (struct queue *q)
{
    while (!STAILQ_EMPTY (q))
        free_first (q);
}

void chan_free (struct chan **cp)
{
    struct chan *c = *cp;
    if (!c)
        return;
    free_all (&c->first);
    free_all (&c->again);
    for (int i = 0; i < LANES; i++)
        free_all (&c->lane[i]);
    free_all (&c->sent);
    free (c->held);
    free (c);
    *cp = NULL;
}

void chan_now (struct chan *c, int64_t now_us)
{
    c->now_us = now_us;
}

/* Take what was acknowledged out of the list. */
static void drop_acked (struct chan *c, uint64_t ack)
{
    struct node *n;
    size_t arrived = 0;
    while ((n = STAILQ_FIRST (&c->sent)) && n->seq <= ack) {
        if (c->resend == n)
            c->resend = STAILQ_NEXT (n, link);
        if (c->last == n)
            c->last = NULL;
        if (n->lane == LANE_BULK) {
            c->bulk_msgs--;
            c->bulk_bytes -= n->bytes;
        }
        arrived += n->out ? n->bytes : 0;
        c->backlog -= n->bytes;
        free_first (&c->sent);
    }
    if (arrived)
        pace_acked (&c->pace, arrived, c->window_bytes ? c->window_bytes : UINT64_MAX, c->now_us);
    if (ack > c->acked)
        c->acked = ack;
}

static void post_take (struct chan *c, struct queue *q, enum chan_lane lane, struct wire_frames *f,
                       uint64_t hold)
{
    struct node *n = mem_zalloc (sizeof *n);
    n->frames = *f;
    *f = (struct wire_frames){0};
    n->hold = hold;
    n->lane = lane;
    n->bytes = wire_frames_bytes (&n->frames);
    c->backlog += n->bytes;
    if (lane == LANE_BULK) {
        c->queued_msgs++;
        c->queued_bytes += n->bytes;
    }
    STAILQ_INSERT_TAIL (q, n, link);
}

void chan_post_take (struct chan *c, enum chan_lane lane, struct wire_frames *f, uint64_t hold)
{
    post_take (c, &c->lane[lane], lane, f, hold);
}

void chan_post_first_take (struct chan *c, struct wire_frames *f)
{
    post_take (c, &c->first, LANE_CONTROL, f, 0);
}

/* What a running task waits for, and its slot with it: were it held back because the other side is
 * full, the tasks that would empty it might never run. There is little of it: live input has a
 * limit of its own. */
static bool minds_no_window (const struct node *n)
{
    enum wire_kind kind = wire_frames_kind (&n->frames);
    return kind == WIRE_INPUT || kind == WIRE_SIGNAL || kind == WIRE_CLOSE;
}

/* One message may always be on its way, however large it is, unless the window is shut. */
static bool window_open (const struct chan *c, const struct node *n)
{
    if (!c->window_msgs || !c->window_bytes)
        return minds_no_window (n) && pace_open (&c->pace, n->bytes);
    if (!c->bulk_msgs)
        return true;
    return c->bulk_msgs < c->window_msgs && c->bulk_bytes < c->window_bytes &&
           n->bytes <= c->window_bytes - c->bulk_bytes && pace_open (&c->pace, n->bytes);
}

/* What goes out again does not count in the window again, but it takes the line's time. */
static bool line_open (const struct chan *c, const struct node *n)
{
    return n->lane == LANE_CONTROL || pace_open (&c->pace, n->bytes);
}

/* The queue whose first message may go now, or NULL. */
static struct queue *ready_queue (struct chan *c)
{
    if (!STAILQ_EMPTY (&c->first))
        return &c->first;
    struct node *n = STAILQ_FIRST (&c->again);
    if (n) /* its commit held when it was sent the first time */
        return line_open (c, n) ? &c->again : NULL;
    n = STAILQ_FIRST (&c->lane[LANE_CONTROL]);
    if (n && n->hold <= c->released)
        return &c->lane[LANE_CONTROL];
    n = STAILQ_FIRST (&c->lane[LANE_LIVE]);
    if (n && n->hold <= c->released && line_open (c, n))
        return &c->lane[LANE_LIVE];
    n = STAILQ_FIRST (&c->lane[LANE_BULK]);
    if (n && n->hold <= c->released && window_open (c, n))
        return &c->lane[LANE_BULK];
    return NULL;
}

/* Number the next queued message and put it at the end of the list. */
static struct node *send_queued (struct chan *c)
{
    struct queue *q = ready_queue (c);
    if (!q)
        return NULL;
    struct node *n = STAILQ_FIRST (q);
    STAILQ_REMOVE_HEAD (q, link);
    n->seq = ++c->numbered;
    if (n->lane == LANE_BULK) {
        c->queued_msgs--;
        c->queued_bytes -= n->bytes;
        c->bulk_msgs++;
        c->bulk_bytes += n->bytes;
    }
    STAILQ_INSERT_TAIL (&c->sent, n, link);
    return n;
}

/* Something is there that may not leave now, for want of acknowledgements. */
static bool is_stuck (const struct chan *c)
{
    const struct node *n = c->resend;
    if (n || (n = STAILQ_FIRST (&c->again)))
        return !line_open (c, n);
    n = STAILQ_FIRST (&c->lane[LANE_LIVE]);
    if (n && n->hold <= c->released && !line_open (c, n))
        return true;
    n = STAILQ_FIRST (&c->lane[LANE_BULK]);
    return n && n->hold <= c->released && !window_open (c, n);
}

/* Whether the message that is leaving is to be acknowledged at once: the next waits for that, or
 * would soon. */
static bool asks (struct chan *c, size_t bytes)
{
    c->unasked += bytes;
    bool half = c->pace.flight > c->pace.limit / 2 && c->unasked > c->pace.limit / 4;
    if (!half && !is_stuck (c))
        return false;
    c->unasked = 0;
    return true;
}

bool chan_next (struct chan *c, struct wire_frames *out)
{
    struct node *n = c->resend;
    if (n ? !line_open (c, n) : !(n = send_queued (c))) {
        if (is_stuck (c))
            pace_waits (&c->pace);
        return false;
    }
    c->resend = STAILQ_NEXT (n, link);
    c->last = n;
    *out = wire_frames_keep (&n->frames);
    wire_stamp (out, n->seq, c->may_ack);
    if (n->lane != LANE_CONTROL) {
        pace_sent (&c->pace, n->bytes, c->now_us);
        n->out = true;
        if (asks (c, n->bytes))
            wire_flag (out, WIRE_FLAG_ACK_NOW);
    }
    c->ack_before = c->ack_told;
    c->owed_before = c->owes;
    chan_ack_sent (c, c->may_ack);
    return true;
}

void chan_unsent (struct chan *c)
{
    if (!c->last)
        return;
    if (c->last->out)
        pace_unsent (&c->pace, c->last->bytes);
    c->last->out = false;
    c->resend = c->last;
    c->last = NULL;
    c->ack_told = c->ack_before;
    c->owes = c->owed_before;
}

/* Take over what earlier commits let us acknowledge. */
static void release_acks (struct chan *c)
{
    while (c->held_count) {
        const struct held *h = &c->held[c->held_first];
        if (h->commit > c->released)
            return;
        c->may_ack = h->upto;
        c->held_first = (c->held_first + 1) % c->held_size;
        c->held_count--;
    }
    if (c->ack_commit <= c->released)
        c->may_ack = c->received;
}

void chan_release (struct chan *c, uint64_t commit)
{
    if (commit <= c->released)
        return;
    c->released = commit;
    release_acks (c);
}

static void push_held (struct chan *c, struct held h)
{
    if (c->held_count == c->held_size) {
        size_t size = c->held_size ? 2 * c->held_size : 8;
        struct held *ring = mem_resize (NULL, size, sizeof *ring);
        for (size_t i = 0; i < c->held_count; i++)
            ring[i] = c->held[(c->held_first + i) % c->held_size];
        free (c->held);
        c->held = ring;
        c->held_first = 0;
        c->held_size = size;
    }
    c->held[(c->held_first + c->held_count++) % c->held_size] = h;
}

void chan_hold_ack (struct chan *c, uint64_t commit)
{
    if (commit <= c->ack_commit)
        return;
    uint64_t covered = c->held_count
                           ? c->held[(c->held_first + c->held_count - 1) % c->held_size].upto
                           : c->may_ack;
    if (c->received > covered)
        push_held (c, (struct held){c->ack_commit, c->received});
    c->ack_commit = commit;
}

enum chan_verdict chan_accept (struct chan *c, uint64_t seq, uint64_t ack)
{
    if (ack > c->numbered)
        return CHAN_LIE;
    drop_acked (c, ack);
    if (seq == 0)
        return CHAN_NEW;
    if (seq <= c->received) {
        c->owes = true;
        return CHAN_DUPLICATE;
    }
    if (seq != c->received + 1)
        return CHAN_GAP;
    c->received = seq;
    if (c->ack_commit <= c->released)
        c->may_ack = seq;
    return CHAN_NEW;
}

uint64_t chan_received (const struct chan *c)
{
    return c->received;
}

bool chan_owes_ack (const struct chan *c)
{
    return c->owes || c->may_ack > c->ack_told;
}

uint64_t chan_ack_number (const struct chan *c)
{
    return c->may_ack;
}

void chan_ack_sent (struct chan *c, uint64_t ack)
{
    if (ack > c->ack_told)
        c->ack_told = ack;
    c->owes = false;
}

/* A new connection: nothing is on its way, and nothing is known of the line. */
static void begin_line (struct chan *c, struct queue *unsent)
{
    struct node *n;
    pace_init (&c->pace);
    c->unasked = 0;
    STAILQ_FOREACH (n, unsent, link)
        n->out = false;
}

bool chan_fits (const struct chan *c, uint64_t received)
{
    return received >= c->acked && received <= c->numbered;
}

int chan_resume (struct chan *c, uint64_t received)
{
    if (!chan_fits (c, received))
        return -1;
    drop_acked (c, received);
    begin_line (c, &c->sent);
    c->resend = STAILQ_FIRST (&c->sent);
    c->last = NULL;
    return 0;
}

void chan_renumber (struct chan *c)
{
    struct node *n;
    STAILQ_CONCAT (&c->sent, &c->first);
    STAILQ_CONCAT (&c->sent, &c->again);
    STAILQ_CONCAT (&c->again, &c->sent);
    STAILQ_FOREACH (n, &c->again, link)
        n->seq = 0;
    begin_line (c, &c->again);
    c->queued_msgs += c->bulk_msgs;
    c->queued_bytes += c->bulk_bytes;
    c->bulk_msgs = c->bulk_bytes = 0;
    c->resend = c->last = NULL;
    c->numbered = c->acked = 0;
    c->received = c->may_ack = c->ack_told = c->ack_before = c->ack_commit = 0;
    c->owes = c->owed_before = false;
    c->held_first = c->held_count = 0;
}

static void sift (struct chan *c, struct queue *q, chan_sift_fn *drop, void *arg)
{
    struct queue old = STAILQ_HEAD_INITIALIZER (old);
    struct node *n;
    STAILQ_CONCAT (&old, q);
    while ((n = STAILQ_FIRST (&old))) {
        STAILQ_REMOVE_HEAD (&old, link);
        if (!drop (arg, &n->frames)) {
            STAILQ_INSERT_TAIL (q, n, link);
            continue;
        }
        c->backlog -= n->bytes;
        if (n->lane == LANE_BULK) {
            c->queued_msgs--;
            c->queued_bytes -= n->bytes;
        }
        free_node (&n);
    }
}

void chan_sift (struct chan *c, chan_sift_fn *drop, void *arg)
{
    sift (c, &c->first, drop, arg);
    sift (c, &c->again, drop, arg);
    for (int i = 0; i < LANES; i++)
        sift (c, &c->lane[i], drop, arg);
}

void chan_find_bulk (const struct chan *c, chan_sift_fn *found, void *arg)
{
    const struct queue *queues[] = {&c->again, &c->lane[LANE_BULK]};
    const struct node *n;
    for (int i = 0; i < 2; i++)
        STAILQ_FOREACH (n, queues[i], link)
            if (n->lane == LANE_BULK && found (arg, &n->frames))
                return;
}

static void look_at (const struct queue *q, chan_look_fn *look, void *arg)
{
    const struct node *n;
    STAILQ_FOREACH (n, q, link)
        look (arg, &n->frames);
}

void chan_look (const struct chan *c, chan_look_fn *look, void *arg)
{
    look_at (&c->sent, look, arg);
    look_at (&c->first, look, arg);
    look_at (&c->again, look, arg);
    for (int i = 0; i < LANES; i++)
        look_at (&c->lane[i], look, arg);
}

void chan_window (struct chan *c, uint64_t window_msgs, uint64_t window_bytes)
{
    c->window_msgs = window_msgs;
    c->window_bytes = window_bytes;
}

size_t chan_backlog_bytes (const struct chan *c)
{
    return c->backlog;
}

bool chan_wants_bulk (const struct chan *c)
{
    if (!c->window_msgs || !c->window_bytes)
        return false;
    return c->queued_msgs + c->bulk_msgs < c->window_msgs &&
           c->queued_bytes + c->bulk_bytes < c->window_bytes &&
           c->queued_bytes + c->pace.flight < c->pace.limit;
}

size_t chan_piece_bytes (const struct chan *c)
{
    uint64_t half = c->pace.limit / 2;
    return half < PIECE_MIN ? PIECE_MIN : half < WIRE_PIECE_MAX ? half : WIRE_PIECE_MAX;
}

bool chan_idle (const struct chan *c)
{
    for (int i = 0; i < LANES; i++)
        if (!STAILQ_EMPTY (&c->lane[i]))
            return false;
    return STAILQ_EMPTY (&c->first) && STAILQ_EMPTY (&c->again) && STAILQ_EMPTY (&c->sent);
}
