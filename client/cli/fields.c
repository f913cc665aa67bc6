/* fields: what the fields of records are called and mean; see fields.h. */
#include "client/cli/fields.h"

#include <string.h>

static const struct field fields[] = {
    {"id", "batch", FIELD_OTHER},
    {"row", "task", FIELD_ROW},
    {"detached", "detached", FIELD_BOOL},
    {"commands", "commands", FIELD_BOOL},
    {"start_us", "start", FIELD_MOMENT},
    {"wall_us", "wall_s", FIELD_SECONDS},
    {"user_us", "user_s", FIELD_SECONDS},
    {"sys_us", "system_s", FIELD_SECONDS},
    {"maxrss_kib", "max_rss_kib", FIELD_OTHER},
    {"out_bytes", "stdout_bytes", FIELD_OTHER},
    {"err_bytes", "stderr_bytes", FIELD_OTHER},
    {"reason", "reason", FIELD_REASON},
    {"name", "name", FIELD_TEXT},
    {"state", "state", FIELD_TEXT},
    {"client", "client", FIELD_TEXT},
    {"note", "note", FIELD_TEXT},
    {"host", "host", FIELD_TEXT},
    {"worker", "worker", FIELD_TEXT},
    {"functions", "functions", FIELD_TEXT},
    {"durability", "durability", FIELD_TEXT},
    {"storage", "storage", FIELD_TEXT},
    {"version", "version", FIELD_TEXT},
    {"broker", "broker", FIELD_TEXT},
    {"containment", "containment", FIELD_TEXT},
};

const struct field *field_find (drover_bytes_t name)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strlen (fields[i].record) == name.len &&
            memcmp (fields[i].record, name.ptr, name.len) == 0)
            return &fields[i];
    return NULL;
}
