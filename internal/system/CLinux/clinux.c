#define _GNU_SOURCE
#include "clinux.h"

#include <pthread.h>
#include <string.h>

void linux_set_thread_name(const char *name) {
  char cut[16];
  strncpy(cut, name, sizeof cut - 1);
  cut[sizeof cut - 1] = 0;
  pthread_setname_np(pthread_self(), cut);
}
