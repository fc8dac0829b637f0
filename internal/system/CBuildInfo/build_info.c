#include "CBuildInfo.h"

#include "version.h"

#ifndef BUILD_COMMIT
#define BUILD_COMMIT "unknown"
#endif

#ifndef BUILD_VERSION
#define BUILD_VERSION RELEASED_VERSION
#endif

const char *build_commit(void) { return BUILD_COMMIT; }

const char *build_version(void) { return BUILD_VERSION; }
