#include "common/net/insecure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int insecure_option (const char *value, enum insecure *how, struct err *e)
{
    if (value && strcmp (value, "public") != 0)
        return err_set (e, EINVAL,
                        "--insecure=%.40s: say --insecure (this host) or --insecure=public (any)",
                        value);
    *how = value ? INSECURE_PUBLIC : INSECURE_LOOPBACK;
    return 0;
}

int insecure_environment (enum insecure *how, struct err *e)
{
    const char *value = getenv ("DROVER_INSECURE");
    *how = INSECURE_NO;
    if (!value || !*value || strcmp (value, "0") == 0)
        return 0;
    if (strcmp (value, "1") != 0 && strcmp (value, "public") != 0)
        return err_set (e, EINVAL,
                        "DROVER_INSECURE=%.40s: set it to 1 (this host) or public (any), or unset "
                        "it",
                        value);
    *how = strcmp (value, "1") == 0 ? INSECURE_LOOPBACK : INSECURE_PUBLIC;
    return 0;
}
