// OpenSSL's libcrypto: digests and what goes with them. TLS has a module map of its own, COpenSSL.
#pragma once
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
