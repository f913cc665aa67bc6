/* err: what went wrong, as a value.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a `struct err *` last.
 * The text is one line that names the thing and, where there is one, the mend. A NULL err is
 * allowed everywhere.
 */
#ifndef DROVER_BASE_ERR_H
#define DROVER_BASE_ERR_H

struct err {
    int code;       /* an errno value; 0: no error */
    char text[400]; /* one line, no newline at its end */
};

/* Fill `e` and return -1, so that a failing function can `return err_set (e, EINVAL, "...")`.
 * Control characters in the text are replaced, so that what a peer or a file said cannot break the
 * line. */
int err_set (struct err *e, int code, const char *fmt, ...) __attribute__ ((format (printf, 3, 4)));

/* As err_set(), with ": " and the words for errno number `code` behind the text. */
int err_sys (struct err *e, int code, const char *fmt, ...) __attribute__ ((format (printf, 3, 4)));

#endif
