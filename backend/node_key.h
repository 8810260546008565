/* node_key: this node's X25519 pair, made at the first start and kept in DATA/node.key (mode 0600):
 * ticket keys in the directory are sealed to it. */
#ifndef BACKEND_NODE_KEY_H
#define BACKEND_NODE_KEY_H

#include "common/crypto/seal.h"

enum err node_key_load(const char *data, struct node_key *out, struct diag *d) MUST_USE;

#endif
