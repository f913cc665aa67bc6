/* payments: strict order within an account, accounts in parallel.
 *
 * Four accounts with five payments each, 0.2 s a payment, on four slots. The account is the key of
 * the task: tasks of one key run one after another in the order in which they were added, whatever
 * happens to the workers.
 */
#include "example.h"

enum { ACCOUNTS = 4, PAYMENTS = 5 };

/* Payments come mixed, as they do. */
static void add (drover_batch_t *b, int spec)
{
    static const char *const names[ACCOUNTS] = {"ann", "bob", "cleo", "dan"};
    drover_error_t e;
    for (int payment = 1; payment <= PAYMENTS; payment++) {
        for (int i = 0; i < ACCOUNTS; i++) {
            char text[40];
            const drover_bytes_t account = {names[i], strlen (names[i])};
            const drover_bytes_t value = {
                text, (size_t)sprintf (text, "%s: payment %d", names[i], payment)};
            if (drover_batch_add_keyed (b, spec, account, &value, 1, &e) < 0)
                die ("drover_batch_add_keyed", &e);
        }
    }
}

int main (void)
{
    drover_error_t e;
    drover_t *h = start (ACCOUNTS);
    drover_batch_options_t options = {.flags = DROVER_ORDERED};
    drover_batch_t *b = drover_batch_open (h, &options, &e);
    drover_spec_t *s = sleeper (0.2, "{}", 1);
    int spec = b ? drover_batch_add_spec (b, s, &e) : -1;
    const drover_event_t *event;
    double began = now ();

    if (spec < 0)
        die ("drover_batch_open", &e);
    add (b, spec);
    if (drover_batch_close (b, &e) < 0)
        die ("drover_batch_close", &e);
    while (drover_next (h, -1, &event, &e) == 1 && event->kind != DROVER_EVENT_END)
        if (event->kind == DROVER_EVENT_RESULT)
            show (event->result);
    printf ("%d payments in %.2f s; one after another %.2f s\n", ACCOUNTS * PAYMENTS,
            now () - began, ACCOUNTS * PAYMENTS * 0.2 * second ());
    drover_spec_free (&s);
    drover_close (&h);
    return 0;
}
