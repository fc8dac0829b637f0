#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

// Frees what the library has allocated; its own name for that is a variable, or a macro.
static inline void tls_release(void *memory) { gnutls_free(memory); }
