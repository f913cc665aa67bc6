/* places: see places.h. Workers of one host share its cores: the greatest number that one of them
 * may use counts. */
#include "client/cli/places.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/session.h"
#include "client/cli/show.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

struct host {
    char *name;
    uint64_t cores;
    UT_hash_handle hh;
};

struct asking {
    struct host *hosts;
    uint64_t slots;
    bool untold; /* a worker says nothing of its cores */
};

static struct host *host_of (struct asking *a, drover_bytes_t name)
{
    struct host *host;

    if (!name.len)
        name.ptr = "";
    HASH_FIND (hh, a->hosts, name.ptr, name.len, host);
    if (host)
        return host;
    host = mem_zalloc (sizeof *host);
    host->name = mem_strndup (name.ptr, name.len);
    HASH_ADD_KEYPTR (hh, a->hosts, host->name, name.len, host);
    return host;
}

static int take_worker (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct asking *a = arg;
    uint64_t cores = drover_pair_number (pairs, count, "cores", 0);
    struct host *host;

    if (show_is (pairs, count, "state", "draining"))
        return 0;
    host = host_of (a, drover_pair_find (pairs, count, "host"));
    a->slots += drover_pair_number (pairs, count, "slots", 0);
    a->untold = a->untold || cores == 0;
    if (cores > host->cores)
        host->cores = cores;
    return 0;
}

int places_ask (drover_t *h, struct places *p, drover_error_t *e)
{
    struct asking a = {.hosts = NULL};
    struct host *host, *next;
    int rc = session_query (h, DROVER_QUERY_WORKERS, 0, 0, 0, take_worker, &a, e);

    *p = (struct places){.slots = a.slots};
    HASH_ITER (hh, a.hosts, host, next) {
        p->cores += a.untold ? 0 : host->cores;
        HASH_DEL (a.hosts, host);
        free (host->name);
        free (host);
    }
    return rc;
}
