/* rivals_report: who won, after how long, and when the others were gone. Pure, but for printing. */
#ifndef DROVER_CLI_RIVALS_REPORT_H
#define DROVER_CLI_RIVALS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "client/drover.h"

enum rivals_rest {
    REST_CANCELLED, /* those that had not ended were cancelled */
    REST_DETACHED,  /* they run on, with the broker */
    REST_AWAITED    /* they ran on, to their end */
};

struct rivals_report {
    uint64_t batch;
    uint64_t tasks;   /* all, also those that never started */
    uint64_t winner;  /* from 1; 0: nobody succeeded */
    uint64_t won_us;  /* after the start */
    uint64_t failed;  /* tasks that had ended without success before that */
    uint64_t others;  /* tasks without an outcome then */
    uint64_t gone_us; /* how long after the winner's outcome they were gone; REST_AWAITED: ended */
    bool gone;        /* all of them are known to be */
    enum rivals_rest rest;
    bool in_turn;                 /* they did not compete: a winner has succeeded, no more */
    const char *worker;           /* where the winner ran, or "" */
    const drover_bytes_t *values; /* of the winner */
    size_t count;
};

/* The line for people about a winner, without "drover COMMAND: " and newline. Returns its length;
 * at most size - 1. */
size_t rivals_report_text (const struct rivals_report *r, char *out, size_t size);

/* The same for programs; also where nobody won. */
json_t *rivals_report_json (const struct rivals_report *r);

#endif
