/* proc: what the kernel says of a running process. */
#ifndef DROVER_BENCH_PROC_H
#define DROVER_BENCH_PROC_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes of memory that are the process's own: its proportional set size, or, where the kernel does
 * not tell it, its resident set. -1 for a process that is not there. */
int64_t proc_memory (pid_t pid);

/* Microseconds of processor time that the living threads of a process and of its living descendants
 * have used. What has ended is not in it: take the difference over a time in which nothing ends. */
int64_t proc_tree_cpu_us (pid_t pid);

#endif
