// libcurl, and as functions of fixed arguments what it has as variadic ones, which Swift cannot call.
#pragma once
#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static inline CURLcode curl_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode curl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode curl_set_text(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode curl_set_pointer(CURL *easy, CURLoption option, void *value) {
  return curl_easy_setopt(easy, option, value);
}

typedef size_t (*curl_data_callback)(char *data, size_t size, size_t count, void *context);
typedef curl_socket_t (*curl_open_callback)(void *context, curlsocktype purpose, struct curl_sockaddr *address);

static inline CURLcode curl_set_data_callback(CURL *easy, CURLoption option, curl_data_callback callback) {
  return curl_easy_setopt(easy, option, callback);
}

static inline CURLcode curl_set_open_callback(CURL *easy, curl_open_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, callback);
}

static inline CURLcode curl_get_long(CURL *easy, CURLINFO info, long *value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode curl_get_size(CURL *easy, CURLINFO info, curl_off_t *value) {
  return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode curl_get_pointer(CURL *easy, CURLINFO info, void **value) {
  return curl_easy_getinfo(easy, info, (char **)value);
}

static inline CURLMcode curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode curl_multi_set_pointer(CURLM *multi, CURLMoption option, void *value) {
  return curl_multi_setopt(multi, option, value);
}

typedef int (*curl_watch_callback)(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context);
typedef int (*curl_time_callback)(CURLM *multi, long milliseconds, void *context);

static inline CURLMcode curl_multi_set_watch(CURLM *multi, curl_watch_callback callback) {
  return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, callback);
}

static inline CURLMcode curl_multi_set_timer(CURLM *multi, curl_time_callback callback) {
  return curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, callback);
}

typedef int (*curl_request_callback)(void *context, char *remote, char *local, int remote_port, int local_port);

static inline CURLcode curl_set_request_callback(CURL *easy, curl_request_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, callback);
}

// What libcurl frees is zeroed, so that a request's body does not stay in memory that nobody owns. It lies at the start
// of libcurl's upload buffer; more than the first page is not touched, since most buffers are never filled so far.
static inline void curl_free_zeroed(void *block) {
  if (!block) return;
  size_t size = malloc_usable_size(block);
  explicit_bzero(block, size < 4096 ? size : 4096);
  free(block);
}

static inline CURLcode curl_init_zeroing(void) {
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, curl_free_zeroed, realloc, strdup, calloc);
}
