#ifndef VERSION_H
#define VERSION_H

// The newest version of CHANGELOG.md, for builds that no tag of git names.
#define RELEASED_VERSION "0.2.0"

#endif
