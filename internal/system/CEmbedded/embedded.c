#include "CEmbedded.h"

// #embed is of C23; clang has it in C17, too.
#pragma clang diagnostic ignored "-Wc23-extensions"

#define EMBEDDED(name) \
  struct embedded_file embedded_##name(void) { return (struct embedded_file){name, sizeof name}; }

static const unsigned char v1_json[] = {
#embed "../../../api/openapi/v1.json"
};
EMBEDDED(v1_json)

static const unsigned char cards_json[] = {
#embed "../../../api/openapi/cards.json"
};
EMBEDDED(cards_json)

static const unsigned char transactions_json[] = {
#embed "../../../api/openapi/transactions.json"
};
EMBEDDED(transactions_json)

static const unsigned char payments_json[] = {
#embed "../../../api/openapi/payments.json"
};
EMBEDDED(payments_json)

static const unsigned char demo_json[] = {
#embed "../../../api/openapi/demo.json"
};
EMBEDDED(demo_json)

static const unsigned char docs_html[] = {
#embed "../../gateway/Documents/page/docs.html"
};
EMBEDDED(docs_html)

static const unsigned char docs_js[] = {
#embed "../../gateway/Documents/page/docs.js"
};
EMBEDDED(docs_js)

static const unsigned char docs_css[] = {
#embed "../../gateway/Documents/page/docs.css"
};
EMBEDDED(docs_css)
