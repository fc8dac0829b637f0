#ifndef CBUILDINFO_H
#define CBUILDINFO_H

/// The commit of this build, or `unknown`; ends with a zero byte and lives as long as the process.
const char *build_commit(void);

/// The version of this build; ends with a zero byte and lives as long as the process.
const char *build_version(void);

#endif
