/* builtin: the module "drover", which every worker has.
 *
 *   drover:echo   its first value, as it is
 *   drover:sleep  sleeps for as many seconds as its value says ("0.25")
 */
#ifndef DROVER_WORKER_EXEC_BUILTIN_H
#define DROVER_WORKER_EXEC_BUILTIN_H

#include "worker/drover_module.h"

extern const struct drover_module builtin_module;

#endif
