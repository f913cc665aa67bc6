/* fuzz: what the harnesses in this folder share.
 *
 * A harness is one function that takes any bytes and aborts when something that must hold does not.
 * Linked with smoke.c it is a test of `make check`: its corpus, then mutations of it from a fixed
 * seed. Built by tests/fuzz/run it is a libFuzzer program that searches for as long as one likes.
 */
#ifndef DROVER_TESTS_FUZZ_H
#define DROVER_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The harness, by the name that libFuzzer calls. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* assert() that no build leaves out. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf (stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);        \
            abort ();                                                                              \
        }                                                                                          \
    } while (0)

#endif
