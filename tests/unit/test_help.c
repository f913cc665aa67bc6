/* Help, manual pages and commands say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/help.h"

#define PAGE_MAX 100000

/* The manual page of a command, or NULL; for free(). */
static char *read_page (const char *command)
{
    const char *top = getenv ("top_srcdir");
    char *text = calloc (1, PAGE_MAX);
    FILE *file = NULL;

    for (int section = 1; !file && section <= 8; section += 7) {
        char path[4096];

        snprintf (path, sizeof path, "%s/doc/drover-%s.%d", top ? top : ".", command, section);
        file = fopen (path, "r");
    }
    if (!file || fread (text, 1, PAGE_MAX - 1, file) == 0) {
        free (text);
        text = NULL;
    }
    if (file)
        fclose (file);
    return text;
}

static void each_command_has_help_and_a_manual_page (void **state)
{
    size_t count;
    const char *const *names = help_commands (&count);

    (void)state;
    assert_in_range (count, 15, 40);
    for (size_t i = 0; i < count; i++) {
        char *page = read_page (names[i]);

        if (!page || !help_text (names[i]))
            fail_msg ("no help or no manual page of %s", names[i]);
        free (page);
    }
    assert_null (help_text ("explain"));
}

/* The next "--option" in the text from *at on, without the dashes; false: none. */
static bool next_option (const char **at, char *option, size_t size)
{
    const char *found = strstr (*at, "--");
    size_t len;

    if (!found)
        return false;
    found += 2;
    len = strspn (found, "abcdefghijklmnopqrstuvwxyz-");
    snprintf (option, size, "%.*s", (int)len, found);
    *at = found + len;
    return true;
}

/* Is the option in the page, as mdoc writes it? */
static bool documents (const char *page, const char *option)
{
    char wanted[80];

    snprintf (wanted, sizeof wanted, "-%s", option);
    for (const char *at = page; (at = strstr (at, wanted)) != NULL; at++) {
        char behind = at[strlen (wanted)];

        if (at > page && strchr (" ,", at[-1]) && (behind == ' ' || behind == '\n'))
            return true;
    }
    return false;
}

static void each_option_in_the_help_is_in_the_manual_page (void **state)
{
    size_t count;
    const char *const *names = help_commands (&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const char *at = help_text (names[i]);
        char *page = read_page (names[i]);
        char option[64];

        assert_non_null (page);
        while (next_option (&at, option, sizeof option))
            if (option[0] && strcmp (option, "help") != 0 && !documents (page, option))
                fail_msg ("--%s is not in the manual page of %s", option, names[i]);
        free (page);
    }
}

static void the_overview_names_every_command (void **state)
{
    char *text = NULL;
    size_t size = 0, count;
    FILE *out = open_memstream (&text, &size);
    const char *const *names = help_commands (&count);

    (void)state;
    help_overview (out);
    fclose (out);
    for (size_t i = 0; i < count; i++)
        assert_non_null (strstr (text, names[i]));
    free (text);
}

static void commands_of_later_versions_have_no_other_entry (void **state)
{
    size_t count, later_count;
    const char *const *names = help_commands (&count);
    const char *const *later = help_later (&later_count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < later_count; j++)
            assert_string_not_equal (names[i], later[j]);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (each_command_has_help_and_a_manual_page),
        cmocka_unit_test (each_option_in_the_help_is_in_the_manual_page),
        cmocka_unit_test (the_overview_names_every_command),
        cmocka_unit_test (commands_of_later_versions_have_no_other_entry),
    };

    return cmocka_run_group_tests (tests, NULL, NULL);
}
