// Files that are compiled in. Swift's own way, an array literal, takes the compiler a quarter of a second a kilobyte.
#pragma once
#include <stddef.h>

// Bytes that stay where they are as long as the process lives.
struct embedded_file {
  const unsigned char *bytes;
  size_t count;
};

// api/openapi
struct embedded_file embedded_v1_json(void);
struct embedded_file embedded_cards_json(void);
struct embedded_file embedded_transactions_json(void);
struct embedded_file embedded_payments_json(void);
struct embedded_file embedded_demo_json(void);

// gateway/Documents
struct embedded_file embedded_docs_html(void);
struct embedded_file embedded_docs_js(void);
struct embedded_file embedded_docs_css(void);
