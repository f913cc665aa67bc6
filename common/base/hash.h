/* hash: hash tables are uthash's. It takes small memory of its own: where there is none, the
 * process ends as with mem_*(), and not with exit(-1), which would be no status of ours and would
 * run what libraries have left for the end.
 */
#ifndef DROVER_BASE_HASH_H
#define DROVER_BASE_HASH_H

#include <assert.h>

#include "common/base/mem.h"

#define uthash_malloc(size) mem_zalloc (size)
#define uthash_fatal(text) assert (!text)
#include <uthash.h>

#endif
