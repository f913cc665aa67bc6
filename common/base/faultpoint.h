/* faultpoint: labelled points at which a process can be made to end, as by kill -9.
 *
 * Only in builds of --enable-faults; in all others the macros leave nothing behind. There
 *     DROVER_FAULT=NAME:N       ends the process that passes the point NAME for the N-th time
 *     DROVER_FAULT_FILE=PATH    ... if PATH is not there yet: it is made just before, and tells
 *                               which process it was. So one process ends, once, whoever inherits
 *                               the environment and whoever is started again.
 *     DROVER_FAULT_DIR=DIR      ends the process that passes a point of which there is a file
 *                               DIR/NAME, which it removes just before.
 *
 * Each process counts for itself. A point that is passed with something of a kind in hand is
 * NAME-KIND, as "broker-takes-ROWS". tests/campaign T2 ends a process at each of them.
 */
#ifndef DROVER_BASE_FAULTPOINT_H
#define DROVER_BASE_FAULTPOINT_H

#ifdef DROVER_FAULTS

#define FAULT_POINT(name) fault_point (name, NULL)
#define FAULT_POINT_OF(name, kind) fault_point (name, kind)

/* The point `name` or, where a kind is given, `name`-`kind` is passed. From any thread. */
void fault_point (const char *name, const char *kind);

#else

#define FAULT_POINT(name) ((void)0)
#define FAULT_POINT_OF(name, kind) ((void)sizeof (kind))

#endif
#endif
