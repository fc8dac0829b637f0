#include <microhttpd.h>

// MHD_get_connection_info is variadic, which Swift cannot call. -1 where the library does not know.
static inline int mhd_connection_descriptor(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

// What the connection's opening callback kept for it.
static inline void *mhd_connection_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

// Whether a header field came as one line that ends with CR and LF and holds no NUL. libmicrohttpd 0.9.75 takes other
// fields, too, and changes them: a value ends at a NUL, and a folded line goes to the end of the *name*. It works in
// place: it puts a NUL over the colon and over CR and LF, and keeps the blanks between colon and value.
static inline int mhd_field_is_plain(const char *name, size_t name_size, const char *value, size_t value_size) {
  const char *blank = name + name_size + 1;
  if (value < blank) return 0;
  for (; blank < value; ++blank)
    if (*blank != ' ' && *blank != '\t') return 0;
  return value[value_size] == 0 && value[value_size + 1] == 0;
}

// Whether a target stands whole between the method and the version: a NUL in it would end it for libmicrohttpd, which
// puts a NUL over the blank that follows it.
static inline int mhd_target_is_whole(const char *target, size_t size) {
  const char *version = target + size + 1;
  return version[0] == 'H' && version[1] == 'T' && version[2] == 'T' && version[3] == 'P' && version[4] == '/';
}
