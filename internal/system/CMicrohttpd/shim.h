#include <string.h>
#include <strings.h>
#include <microhttpd.h>

// MHD_get_connection_info is variadic, which Swift cannot call. -1 where the library does not know.
static inline int mhd_connection_descriptor(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

// The gnutls_session_t of a connection with TLS; NULL for one in clear.
static inline void *mhd_connection_tls(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info ? info->tls_session : NULL;
}

// What the connection's opening callback kept for it.
static inline void *mhd_connection_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

// Whether an answer was begun: before a handler saw the request, only by the library itself.
static inline int mhd_is_answered(struct MHD_Connection *connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS) != NULL;
}

struct mhd_head_check {
  // Where the next line begins.
  const char *next;
  int is_plain;
};

static inline enum MHD_Result mhd_check_field(void *context, enum MHD_ValueKind kind, const char *name,
                                              size_t name_size, const char *value, size_t value_size) {
  (void)kind;
  struct mhd_head_check *check = context;
  const char *blank = name + name_size + 1;
  check->is_plain = name == check->next && value >= blank;
  for (; check->is_plain && blank < value; ++blank) check->is_plain = *blank == ' ' || *blank == '\t';
  check->is_plain = check->is_plain && value[value_size] == 0 && value[value_size + 1] == 0;
  check->next = value + value_size + 2;
  return check->is_plain ? MHD_YES : MHD_NO;
}

// Whether a head is what the library made of it: a first line, fields of one line each and a blank line, each ended by
// CR and LF, and no NUL. libmicrohttpd 0.9.75 takes other heads, too, and changes them: a value ends at a NUL, a line
// that begins with one ends the head, and a folded line goes to the end of the *name*. It works in place: it puts a NUL
// over the colon and over CR and LF, and keeps the blanks between colon and value. So lines that follow one another
// without a gap are whole. What it cannot tell: a NUL before a bare line feed, which together stand for CR and LF.
static inline int mhd_head_is_plain(struct MHD_Connection *connection, const char *method, const char *version) {
  const size_t size = strlen(version);
  if (version[size + 1] != 0) return 0;
  struct mhd_head_check check = {version + size + 2, 1};
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, mhd_check_field, &check);
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return check.is_plain && info && info->header_size == (size_t)(check.next + 2 - method);
}

// Whether a target stands whole between the method and the version: a NUL in it would end it for libmicrohttpd, which
// puts a NUL over the blank that follows it.
static inline int mhd_target_is_whole(const char *target, size_t size) {
  const char *version = target + size + 1;
  return version[0] == 'H' && version[1] == 'T' && version[2] == 'T' && version[3] == 'P' && version[4] == '/';
}

// Ends a target after its question mark, in the library's memory: otherwise it takes the query apart, which costs some
// 60 bytes a parameter that the answer may need.
static inline void mhd_drop_query(const char *target) {
  char *mark = strchr((char *)target, '?');
  if (mark) mark[1] = 0;
}

struct mhd_field {
  const char *name, *value;
};

static inline enum MHD_Result mhd_note_field(void *context, enum MHD_ValueKind kind, const char *name,
                                             const char *value) {
  (void)kind;
  struct mhd_field *field = context;
  field->name = name;
  field->value = value;
  return MHD_NO;
}

// Forgets the header fields of an answer whose head has been written: a stream may last for hours. The library reads
// the name after it has freed its own copy, so it gets another one. A long name stays, with the fields after it, and so
// does Connection, which the library puts first and takes apart in place.
static inline void mhd_forget_head(struct MHD_Response *response) {
  for (;;) {
    struct mhd_field field = {NULL, NULL};
    char name[64];
    MHD_get_response_headers(response, mhd_note_field, &field);
    if (!field.name || strlen(field.name) >= sizeof name) return;
    if (strcasecmp(field.name, MHD_HTTP_HEADER_CONNECTION) == 0) return;
    strcpy(name, field.name);
    if (MHD_del_response_header(response, name, field.value) != MHD_YES) return;
  }
}
