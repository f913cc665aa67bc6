/* launcher_proto: what launcher and agent say to each other, over a SOCK_SEQPACKET pair. Both are
 * the same program: plain structs do. */
#ifndef DROVER_WORKER_EXEC_LAUNCHER_PROTO_H
#define DROVER_WORKER_EXEC_LAUNCHER_PROTO_H

#include <stdint.h>

enum request_kind { REQUEST_NEW, REQUEST_KILL, REQUEST_TOKEN, REQUEST_WATCH, REQUEST_SHUTDOWN };

struct request {
    uint32_t kind;     /* enum request_kind */
    uint32_t executor; /* KILL: its number; NEW: enum executor_kind; WATCH: 1 on, 0 off */
    uint64_t token;
};

/* With a LAUNCHER_NEW come two descriptors: socket, control. */
struct answer {
    uint32_t kind;          /* enum launcher_event_kind */
    uint32_t executor_kind; /* enum executor_kind */
    uint32_t executor;
    int32_t pid;
    int32_t error;
    int32_t wait_status;
    uint32_t stuck;
};

#endif
