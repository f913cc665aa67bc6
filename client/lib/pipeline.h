/* pipeline: items that flow through several batches of one handle, a batch for each stage.
 *
 * The batch that the program has is the first stage, the head. What ends well in a stage becomes a
 * row of the next, from here: so each stage is a batch like others, with all that the broker
 * promises of one, and the broker knows of no pipelines. The program sees the head alone: events of
 * the other batches are taken here or rewritten to be the head's, their rows to be its items.
 *
 * Memory is bounded, because a stage is given rows only while those it has, and the outputs that
 * wait for the next stage, are not many, or large. As outputs wait in front of a stage only when it
 * cannot take them now, and the last stage always ends its rows, all of it flows.
 */
#ifndef DROVER_CLIENT_PIPELINE_H
#define DROVER_CLIENT_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"
#include "common/base/bytes.h"

struct pipeline;

/* --- the head's part of public calls ------------------------------------------------------------
 */

/* A row is about to be added; its key (NULL: it has none) and values are kept if a stage wants
 * them. 0 or -1. */
int pipeline_expect (struct pipeline *p, const struct bytes *key, const drover_bytes_t *values,
                     size_t count, drover_error_t *e);
void pipeline_added (struct pipeline *p, uint64_t item);

/* Of the `room` that the first stage has, so much as there is in the pipeline. */
uint64_t pipeline_room (struct pipeline *p, uint64_t room);

/* Items without an outcome. */
uint64_t pipeline_pending (const struct pipeline *p);

/* All of it is being cancelled: nothing enters a stage any more, and what waits between two ends.
 * The stages are still to be cancelled. Options may be NULL. 0; -1 where only a part of the items
 * is meant. */
int pipeline_stop (struct pipeline *p, const drover_cancel_options_t *options, drover_error_t *e);

/* The batch of a stage, from 0; NULL: there are not so many. */
drover_batch_t *pipeline_stage (const struct pipeline *p, unsigned s);

/* Forget all but the head. */
void pipeline_free (struct pipeline *p);

/* --- events -------------------------------------------------------------------------------------
 */

/* The next event that a pipeline made itself: 1 with *event, valid until the next call; or 0. */
int pipelines_next (drover_t *h, const drover_event_t **event);
bool pipelines_have (const drover_t *h);

/* An event is to be delivered: false if it was for a pipeline, and not for the program. */
bool pipelines_pass (drover_event_t *event);

#endif
